from uuid import UUID

import pytest

from quality_gate.errors import UserError
from quality_gate.prediction.record import Record, record_path


def test_each_source_and_model_has_a_record_of_its_own(tmp_path):
    chosen = [("a", "1"), ("a", "2"), ("b", "1")]
    assert len({record_path(tmp_path, *one) for one in chosen}) == 3
    assert record_path(tmp_path, "a", "1") == record_path(tmp_path, "a", "1")


def test_a_file_that_is_no_record_is_told(tmp_path):
    path = tmp_path / "record.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(UserError, match=r"record\.db cannot be used \(file is not a database\); restore it"):
        Record(path)


def test_a_record_of_a_newer_version_is_left_alone(tmp_path):
    with Record(tmp_path / "record.db") as record:
        record._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer version"):
        Record(tmp_path / "record.db")


def test_what_a_run_met_is_current_until_it_is_finished(answer, write, tmp_path, record):
    photos = write(tmp_path / "photos", "a.png", "b.png")
    answer(photos)
    record(photos).finish()
    assert list(record(photos).current()) == []
    (photos / "a.png").unlink()
    answer(photos)
    assert [one.path for one in record(photos).current()] == ["b.png"]


def test_what_a_killed_run_met_belongs_to_the_run_that_continues_it(answer, write, tmp_path, record):
    photos = write(tmp_path / "photos", "a.png", "b.png")
    (photos / "bad.png").write_bytes(b"")
    answer(photos)
    (photos / "a.png").unlink()
    (photos / "bad.png").unlink()
    answer(photos)
    assert [one.path for one in record(photos).current()] == ["a.png", "b.png", "bad.png"]


def test_answers_are_counted_by_label_decision_and_confidence(answer, write, tmp_path, record):
    photos = write(tmp_path / "photos", *(f"{number}.png" for number in range(8)))
    (photos / "bad.png").write_bytes(b"")
    answer(photos)
    opened = record(photos)
    given = [one.prediction for one in opened.current() if one.prediction]
    counts = opened.counts()
    assert counts.pop(("", "")) == 1
    assert sum(counts.values()) == 8
    expected = {}
    for one in given:
        key = (one.decision, min(int(one.confidence * 20), 19))
        expected[key] = expected.get(key, 0) + 1
    assert opened.histogram(20) == expected


def test_an_answer_waits_until_it_is_noted_as_logged(answer, write, tmp_path, record):
    photos = write(tmp_path / "photos", "a.png")
    answer(photos)
    opened = record(photos)
    assert opened.waiting(10) == []
    (one,) = opened.current()
    assert opened.given("a.png") == {one.prediction.id}
    assert isinstance(one.prediction.id, UUID)
    assert opened.given("b.png") == set()
