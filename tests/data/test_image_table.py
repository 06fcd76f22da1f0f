import numpy as np
import pandas as pd
import pytest

from quality_gate.data import image_table
from quality_gate.data.image_table import COLUMN_NAMES, COLUMNS, build_table, require_columns, write_table
from quality_gate.errors import UserError


def test_rows_become_columns_a_few_at_a_time_and_come_out_sorted(monkeypatch):
    monkeypatch.setattr(image_table, "CHUNK_ROWS", 2)
    rows = [{"path": path, "width": number, "is_readable": path != "b"} for number, path in enumerate("ecadb")]
    table = build_table(iter(rows))
    assert table[["path", "width", "is_readable"]].values.tolist() == [
        ["a", 2, True], ["b", 4, False], ["c", 1, True], ["d", 3, True], ["e", 0, True],
    ]  # fmt: skip
    assert {column.name: table[column.name].dtype.name for column in COLUMNS} == {
        column.name: column.dtype for column in COLUMNS
    }
    assert list(table.index) == [0, 1, 2, 3, 4]


def test_the_columns_are_those_of_the_contract_in_its_order():
    assert COLUMN_NAMES == (
        "image_id", "path", "label", "split", "group", "width", "height", "mode", "format", "file_size_kb",
        "aspect_ratio", "brightness", "contrast", "red_mean", "green_mean", "blue_mean", "sharpness", "phash",
        "is_readable", "problem",
    )  # fmt: skip


def test_rows_are_sorted_by_path_and_typed_as_documented():
    table = build_table([{"path": "b", "width": 3, "is_readable": True}, {"path": "a"}])
    assert table["path"].tolist() == ["a", "b"]
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {c.name: c.dtype for c in COLUMNS}


def test_a_table_that_is_written_a_few_rows_at_a_time_is_the_one_built_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(image_table, "CHUNK_ROWS", 2)
    rows = [{"path": path, "height": 3, "is_readable": True} for path in "abcd"] + [{"path": "e", "problem": "empty"}]
    write_table(iter(rows), tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), build_table(rows))
    write_table([], tmp_path / "empty.parquet")
    assert tuple(pd.read_parquet(tmp_path / "empty.parquet").columns) == COLUMN_NAMES


def test_what_a_row_leaves_out_is_empty_or_nan_or_false():
    row = build_table([{"path": "a"}]).iloc[0]
    assert row["phash"] == ""
    assert np.isnan(row["brightness"])
    assert not row["is_readable"]


def test_a_table_of_no_rows_has_all_columns():
    assert tuple(build_table([]).columns) == COLUMN_NAMES


def test_missing_columns_are_named_with_the_way_out():
    table = build_table([]).drop(columns=["phash", "group"])
    with pytest.raises(UserError, match=r"old\.parquet: the image table lacks the columns group, phash; ingest"):
        require_columns(table, "old.parquet")
