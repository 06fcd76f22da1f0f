import csv
from datetime import datetime

import pyarrow.parquet as pq
import pytest

from quality_gate.errors import UserError
from quality_gate.prediction.result import write_results


@pytest.fixture
def folder(answer, write, tmp_path, record):
    photos = write(tmp_path / "photos", "b.png", "a, quoted.png")
    (photos / "bad.png").write_bytes(b"")
    batch = answer(photos)
    write_results(record(photos), batch.classes, batch.model_version, tmp_path / "result")
    return tmp_path / "result"


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_both_tables_say_the_same_of_every_photo_in_the_order_of_the_paths(folder):
    table = pq.read_table(folder / "result.parquet").to_pylist()
    text = rows(folder / "result.csv")
    assert [row["path"] for row in table] == ["a, quoted.png", "b.png", "bad.png"]
    for typed, written in zip(table, text, strict=True):
        typed["time"] = typed["time"].isoformat() if typed["time"] else None
        assert {name: "" if value is None else str(value) for name, value in typed.items()} == written


def test_an_answer_has_a_probability_of_every_class_and_what_it_was_made_by(folder):
    row = rows(folder / "result.csv")[1]
    probabilities = {name: float(row[f"probability_{name}"]) for name in ("onion", "potato", "tomato")}
    assert sum(probabilities.values()) == pytest.approx(1)
    assert float(row["confidence"]) == max(probabilities.values()) == probabilities[row["label"]]
    assert (row["model_version"], row["problem"]) == ("7", "")
    assert row["decision"] in ("accept", "review")
    assert datetime.fromisoformat(row["time"]).utcoffset().total_seconds() == 0


def test_a_bad_file_has_its_problem_in_the_result_and_in_the_quarantine_list(folder):
    bad = rows(folder / "result.csv")[2]
    assert (bad["label"], bad["confidence"], bad["problem"]) == ("", "", "the file is empty")
    (listed,) = rows(folder / "quarantine.csv")
    assert (listed["path"], listed["reason"]) == ("bad.png", "the file is empty")


def test_nothing_partial_is_left(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["quarantine.csv", "result.csv", "result.parquet"]


def test_a_batch_without_photos_makes_tables_without_rows(answer, home, record, tmp_path):
    batch = answer("inbox")
    write_results(record("inbox"), batch.classes, batch.model_version, tmp_path / "result")
    assert rows(tmp_path / "result" / "result.csv") == []
    assert pq.read_table(tmp_path / "result" / "result.parquet").num_rows == 0


def test_a_full_disk_is_told_in_one_sentence(answer, write, tmp_path, record, monkeypatch):
    import errno

    photos = write(tmp_path / "photos", "a.png")
    batch = answer(photos)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("quality_gate.prediction.result._write_rows", full)
    with pytest.raises(UserError, match="the disk is full"):
        write_results(record(photos), batch.classes, batch.model_version, tmp_path / "result")
