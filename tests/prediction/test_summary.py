import pytest

from quality_gate.prediction.batch import Batch
from quality_gate.prediction.summary import BatchSummary


def batch(**changes):
    whole = {
        "gate": "produce", "source": "/photos", "model_version": "7", "classes": ("onion", "potato"),
        "record": "/record.db", "new": 8, "on_their_way": 0,
    }  # fmt: skip
    return Batch(**whole | changes)


@pytest.mark.parametrize(
    ("summary", "changes", "sentence"),
    [
        (
            BatchSummary({"onion": 5, "potato": 1}, {"onion": 2}, 1),
            {},
            "9 files by produce:7: 6 accepted, 2 to review; 1 bad",
        ),
        (
            BatchSummary({"onion": 5}, {"onion": 5}, 0),
            {"on_their_way": 1},
            "10 files by produce:7: 5 accepted, 5 to review; 0 bad; 2 of the answers were given before; "
            "1 file on the way left to the next run",
        ),
        (BatchSummary({}, {}, 0), {"source": "inbox", "new": 0}, "no photos in the inbox"),
    ],
)
def test_one_line_says_what_came_of_a_batch(summary, changes, sentence):
    assert summary.sentence(batch(**changes)) == sentence


@pytest.mark.parametrize(("share", "raised"), [(0.25, False), (0.24, True), (1.0, False), (0.0, True)])
def test_bad_files_are_allowed_up_to_their_share(answer, write, tmp_path, record, share, raised):
    photos = write(tmp_path / "photos", "a.png", "b.png", "c.png")
    (photos / "bad.png").write_bytes(b"")
    made = answer(photos)
    opened = record(photos)
    error = BatchSummary.of(opened).too_many_bad(made, opened, tmp_path, share)
    assert (error is not None) is raised
    if raised:
        assert error.message == (
            f"{photos}: 1 of 4 files (25.0%) cannot be used, and max_unreadable_share allows {share:.1%}; the first is "
            f"bad.png: the file is empty; all are listed in {tmp_path / 'quarantine.csv'}."
        )


def test_no_files_are_no_bad_files(answer, record, tmp_path):
    made = answer("inbox")
    opened = record("inbox")
    assert BatchSummary.of(opened).too_many_bad(made, opened, tmp_path, 0.0) is None
