import csv
from datetime import UTC, datetime, timedelta

import pytest

from quality_gate.errors import UserError
from quality_gate.monitoring.database import LogUnavailable
from quality_gate.review.labels_file import COLUMNS, Exported, Imported, export_labels, import_labels
from quality_gate.review.photos import PhotoStore
from quality_gate.review.verdict import Review

NOW = datetime.now(UTC)


@pytest.fixture
def photos(tmp_path):
    return PhotoStore(tmp_path / "photos", max_bytes=1000, retention=timedelta(days=10))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labels.csv"


@pytest.fixture
def bring(desk, reviews, file):
    """Imports a text, or the file as it lies there."""

    def bring(text=None):
        if text is not None:
            file.write_text(text, encoding="utf-8")
        return import_labels(file, desk, reviews, gate="produce", reviewer="dora")

    return bring


def rows(file):
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def said(reviews):
    return {sha: [(one.reviewer, one.label) for one in all_of] for sha, all_of in reviews.by_photo().items()}


def test_a_database_that_goes_away_leaves_the_former_file_and_nothing_else(reviews, photos, file, monkeypatch):
    def away(**_):
        raise LogUnavailable("away")

    file.write_text("former")
    monkeypatch.setattr(reviews, "photos", away)
    with pytest.raises(LogUnavailable):
        export_labels(file, reviews, photos)
    assert file.read_text() == "former"
    assert [path.name for path in file.parent.iterdir() if "labels" in path.name] == ["labels.csv"]


def test_what_was_corrected_and_corrected_back_can_be_corrected_again(
    desk, put, review_of, reviews, photos, file, bring
):
    (prediction,) = put({})
    desk.record(review_of(prediction.image_sha256, "onion"))
    export_labels(file, reviews, photos)
    before = file.read_text(encoding="utf-8")
    for label in ("tomato", "onion", "tomato"):
        assert bring(before.replace("onion,label", f"{label},label")) == Imported(1, 0, 0)
        assert said(reviews) == {prediction.image_sha256: [("ana", label)]}


def test_what_was_reviewed_and_what_waits_go_out(desk, put, review_of, reviews, photos, file):
    reviewed, waiting = put({}, {"image_name": "=cmd()", "review_reason": "audit"})
    photos.keep(waiting.image_sha256, b"photo")
    desk.record(review_of(reviewed.image_sha256, "onion"))
    desk.record(review_of(reviewed.image_sha256, None, "ben"))

    assert export_labels(file, reviews, photos) == Exported(rows=3, gone=0)
    first, second, third = rows(file)
    assert tuple(first) == COLUMNS
    assert (first["label"], first["verdict"], first["reviewer"], first["photo"]) == ("onion", "label", "ana", "")
    assert (second["label"], second["verdict"], second["reviewer"]) == ("", "unknown", "ben")
    assert (third["image_name"], third["label"], third["verdict"]) == ("'=cmd()", "", "")
    assert third["photo"] == str(photos.path(waiting.image_sha256))
    assert (third["model_label"], third["confidence"], third["reason"]) == ("potato", "0.8", "audit")


def test_what_went_out_and_was_filled_comes_back(desk, put, review_of, reviews, photos, file, bring):
    reviewed, filled, left = put({}, {}, {})
    for waiting in (filled, left):
        photos.keep(waiting.image_sha256, b"photo")
    desk.record(review_of(reviewed.image_sha256, None))
    export_labels(file, reviews, photos)
    row = f"{filled.image_sha256},{filled.image_name},{photos.path(filled.image_sha256)},potato,0.8,review,,,,"
    content = file.read_text().replace(row, f"{filled.image_sha256},,,,,,tomato,,,")
    assert bring(content) == Imported(new=1, known=1, empty=1)
    assert said(reviews) == {reviewed.image_sha256: [("ana", None)], filled.image_sha256: [("dora", "tomato")]}
    assert reviews.by_photo()[filled.image_sha256][0].source == "import"
    assert left.image_sha256 not in said(reviews)


def test_what_nobody_reviewed_before_its_file_went_does_not_go_out(put, reviews, photos, file):
    _gone, there = put({}, {})
    photos.keep(there.image_sha256, b"photo")
    assert export_labels(file, reviews, photos) == Exported(rows=1, gone=1)
    assert [row["image_sha256"] for row in rows(file)] == [there.image_sha256]


@pytest.mark.parametrize("time", ["", "2026-03-04T10:11:12+00:00"])
def test_a_file_that_comes_twice_adds_nothing_the_second_time(put, reviews, bring, time):
    (only,) = put({})
    text = f"image_sha256,label,time\n{only.image_sha256},onion,{time}\n"
    assert bring(text) == Imported(new=1, known=0, empty=0)
    before = reviews.by_photo()
    assert bring(text) == Imported(new=0, known=1, empty=0)
    assert reviews.by_photo() == before


def test_a_label_that_is_older_than_what_its_reviewer_said_since_does_not_win(desk, put, reviews, bring):
    (only,) = put({})
    desk.record(Review(only.id, NOW, only.image_sha256, "ana", "label", "onion"))
    bring(f"image_sha256,label,reviewer,time\n{only.image_sha256},potato,ana,2026-03-04T10:11:12+00:00\n")
    assert said(reviews) == {only.image_sha256: [("ana", "onion")]}


def test_a_clock_that_is_ahead_does_not_win_over_what_is_said_at_the_desk_afterwards(desk, put, reviews, bring):
    (only,) = put({})
    ahead = (datetime.now(UTC) + timedelta(minutes=9)).isoformat()
    bring(f"image_sha256,label,reviewer,time\n{only.image_sha256},potato,ana,{ahead}\n")
    desk.record(Review(only.id, datetime.now(UTC), only.image_sha256, "ana", "label", "onion"))
    assert said(reviews) == {only.image_sha256: [("ana", "onion")]}


def test_no_name_that_a_file_brought_goes_out_as_a_formula_and_it_is_still_that_name(put, reviews, photos, file, bring):
    (only,) = put({})
    bring(f"image_sha256,label,reviewer\n{only.image_sha256},onion,=cmd()\n")
    export_labels(file, reviews, photos)
    assert [row["reviewer"] for row in rows(file)] == ["'=cmd()"]
    assert bring() == Imported(new=0, known=1, empty=0)
    assert said(reviews) == {only.image_sha256: [("=cmd()", "onion")]}


def test_capitals_spaces_and_the_mark_of_a_spreadsheet_do_no_harm(put, reviews, bring):
    put({"image_sha256": "ab" * 32})
    bring(f"\ufefflabel,image_sha256\r\n onion , {('ab' * 32).upper()}\r\n")
    assert said(reviews) == {"ab" * 32: [("dora", "onion")]}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            "{known},carrot",
            "line 3: 'carrot' is no class; the classes are onion, potato, tomato; nothing was imported.",
        ),
        ("{unknown},onion", "line 3: no photo with the SHA-256 {unknown} is for review; nothing was imported."),
        ("{unknown},onion\n{known},carrot", "is for review; nothing was imported. 1 more rows are wrong."),
        ("12,onion", "line 3: image_sha256 is '12'; expected 64 hexadecimal digits."),
        ("{known},onion,maybe", "line 3: verdict is 'maybe'; expected label, unknown, or nothing."),
        ("{known},onion,unknown", "line 3: label is 'onion' with the verdict 'unknown'; only a label has one."),
        ("{known},,label", "line 3: label is None with the verdict 'label'; only a label has one."),
        ("{known},onion,,x,yesterday", "line 3: time is 'yesterday'; expected a time that has been, such as"),
        ("{known},onion,,x,2026-03-04T10:11:12", "line 3: time is '2026-03-04T10:11:12'; expected"),
        ("{known},onion,,x,2126-03-04T10:11:12+00:00", "line 3: time is '2126-03-04T10:11:12+00:00'; expected"),
        ("{known},onion,,%s" % ("x" * 65), "line 3: reviewer is 'xxx"),
        ("{known},onion,,,,,", "line 3: more values than the first line has columns."),
    ],
)
def test_a_wrong_row_is_told_with_its_line_and_nothing_is_imported(put, reviews, bring, file, rows, sentence):
    known = put({})[0].image_sha256
    names = {"known": known, "unknown": "e" * 64}
    with pytest.raises(UserError) as caught:
        bring(f"image_sha256,label,verdict,reviewer,time\n{known},onion\n{rows.format(**names)}\n")
    assert caught.value.message.startswith(str(file))
    assert sentence.format(**names) in caught.value.message
    assert said(reviews) == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no column image_sha256; expected image_sha256, label in its first line."),
        (b"image_sha256;label\n", "has no column image_sha256"),
        (b"image_sha256,class\n", "has no column label"),
        (b"\xff\xfe\n", "is no CSV file in UTF-8"),
        (b'image_sha256,label\n"a', "is no CSV file in UTF-8"),
    ],
)
def test_a_file_that_holds_no_labels_is_told(bring, file, content, sentence):
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        bring()
    assert sentence in caught.value.message


def test_a_file_that_is_not_there_is_told(bring, file):
    with pytest.raises(UserError, match=r"labels.csv cannot be read .No such file or directory"):
        bring()


def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(reviews, photos, tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        export_labels(tmp_path / "nowhere" / "labels.csv", reviews, photos)
    assert list(tmp_path.glob("*.csv")) == []
