"""Groups come in the order in which a person should look at them."""

import pandas as pd

from quality_gate.data.duplicate_groups import duplicate_groups
from quality_gate.data.image_table import build_table


def table_of(*photos: tuple[str, str, str, str]) -> pd.DataFrame:
    """Photos as (label, split, group, bytes); the path is made of label and place in the list."""
    return build_table(
        {
            "path": f"{label}/{number}.jpg",
            "label": label,
            "split": split,
            "group": group,
            "image_id": image_id,
            "is_readable": True,
        }
        for number, (label, split, group, image_id) in enumerate(photos)
    )


def test_the_most_suspicious_groups_come_first_and_the_larger_among_equals() -> None:
    found = duplicate_groups(
        table_of(
            ("onion", "train", "pair", "1"), ("onion", "train", "pair", "2"),
            *(("onion", "train", "burst", f"b{n}") for n in range(3)),
            ("onion", "test", "leak", "3"), ("onion", "", "leak", "4"),
            ("onion", "train", "alike", "5"), ("plum", "train", "alike", "6"), ("plum", "train", "alike", "7"),
            ("onion", "train", "same", "8"), ("plum", "train", "same", "8"),
            ("onion", "train", "alone", "9"),
        )
    )  # fmt: skip
    assert found.groups.index.tolist() == ["same", "alike", "leak", "burst", "pair"]
    assert found.groups["is_conflict"].tolist() == [True, True, False, False, False]
    assert found.groups["is_leak"].tolist() == [False, False, True, False, False]
    assert found.groups["files"].tolist() == [2, 3, 2, 3, 2]
    assert found.groups["copies"].tolist() == [1, 0, 0, 0, 0]
    assert found.groups["labels"].tolist() == [2, 2, 1, 1, 1]
    assert found.has_near_duplicates
    assert len(found.files) == 12


def test_before_the_split_the_files_of_a_group_have_the_same_bytes() -> None:
    found = duplicate_groups(
        table_of(("onion", "train", "", "1"), ("onion", "test", "", "1"), ("onion", "train", "", "2"))
    )
    assert not found.has_near_duplicates
    assert found.groups.index.tolist() == ["1"]
    assert found.groups["is_leak"].tolist() == [True]


def test_a_group_within_the_test_set_is_no_leak() -> None:
    found = duplicate_groups(table_of(("onion", "test", "a", "1"), ("onion", "test", "a", "2")))
    assert found.groups["is_leak"].tolist() == [False]


def test_unreadable_files_are_in_no_group() -> None:
    table = table_of(("onion", "train", "a", "1"), ("onion", "train", "a", "2")).assign(
        is_readable=False, group="", image_id=""
    )
    found = duplicate_groups(table)
    assert (len(found.groups), len(found.files)) == (0, 0)
    assert found.groups["copies"].sum() == 0
