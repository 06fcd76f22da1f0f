"""Every readable photo is counted once, in its class and split."""

import pandas as pd

from quality_gate.data.image_table import build_table
from quality_gate.reports.class_balance import class_balance


def table_of(*photos: tuple[str, str]) -> pd.DataFrame:
    return build_table(
        {"path": f"{label}/{n}.jpg", "label": label, "split": split, "is_readable": True}
        for n, (label, split) in enumerate(photos)
    )


def test_classes_come_with_the_most_common_first_and_splits_in_the_order_of_training() -> None:
    table = table_of(("ok", "test"), ("ok", "train"), ("dent", "train"), ("dent", "calibration"), ("dent", "train"))
    balance = class_balance(table, table["is_readable"])
    assert [(split.name, split.photos) for split in balance.splits] == [("train", 3), ("calibration", 1), ("test", 1)]
    assert [(row.label, row.photos, row.share) for row in balance.rows] == [("dent", 3, 0.6), ("ok", 2, 0.4)]
    assert [[part.photos for part in row.parts] for row in balance.rows] == [[2, 1, 0], [1, 0, 1]]
    assert [part.width for part in balance.rows[1].parts] == [33.33, 0, 33.33]
    assert balance.ratio == 1.5


def test_what_is_left_out_is_a_part_of_its_own_and_not_in_use() -> None:
    table = table_of(("ok", "train"), ("ok", ""), ("ok", "test"))
    balance = class_balance(table, table["split"] != "")
    assert [(split.name, split.photos) for split in balance.splits] == [("train", 1), ("test", 1), ("left out", 1)]
    assert balance.rows[0].photos == 2


def test_a_source_without_splits_has_one_part() -> None:
    table = table_of(("ok", ""), ("dent", ""))
    balance = class_balance(table, table["is_readable"])
    assert [split.name for split in balance.splits] == ["photos"]


def test_a_class_without_a_readable_photo_makes_the_ratio_infinite() -> None:
    table = table_of(("ok", "train"), ("dent", "train"))
    table.loc[table["label"] == "dent", "is_readable"] = False
    balance = class_balance(table, table["is_readable"])
    assert [(row.label, row.photos) for row in balance.rows] == [("ok", 1), ("dent", 0)]
    assert balance.ratio == float("inf")
