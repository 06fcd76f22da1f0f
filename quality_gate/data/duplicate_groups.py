"""What the groups of exact copies and near-duplicates say about a dataset: doubtful labels, leaks, waste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class DuplicateGroups:
    """The groups of two readable files or more.

    Attributes:
        groups: a row a group, indexed by its name, the most suspicious first: ``files``; ``copies``, how many of them
            repeat the bytes of another; ``labels``, how many different ones; ``is_conflict``, more than one label;
            ``is_leak``, files in the test set and outside it.
        files: the rows of the image table in such groups, with ``group`` filled in.
        has_near_duplicates: whether the table knew near-duplicates; before the split groups are exact copies alone.
    """

    groups: pd.DataFrame
    files: pd.DataFrame
    has_near_duplicates: bool


def duplicate_groups(table: pd.DataFrame) -> DuplicateGroups:
    """Collect the groups of an image table, before or after the split.

    Groups whose files have several labels come first, of these the ones with the same bytes under two labels; then
    groups that reach into the test set; then the rest. The largest lead among equals.

    Args:
        table: the image table. Without group names, as before the split, the files of a group have the same bytes.
    """
    import pandas as pd

    readable = table[table["is_readable"]]
    is_known = readable["group"] != ""
    files = readable.assign(group=readable["group"].where(is_known, readable["image_id"]))
    files = files[files["group"].duplicated(keep=False)].sort_values("path")
    members = files.groupby("group")
    is_test = (files["split"] == "test").groupby(files["group"])
    same_bytes = files.groupby("image_id")["label"].transform("nunique") > 1
    groups = pd.DataFrame(
        {
            "files": members.size(),
            "copies": members.size() - members["image_id"].nunique(),
            "labels": members["label"].nunique(),
            "is_conflict": members["label"].nunique() > 1,
            "is_leak": is_test.any() & ~is_test.all(),
            "contradicts": same_bytes.groupby(files["group"]).any(),
            "first": members["path"].min(),
        }
    )
    order = ["is_conflict", "contradicts", "is_leak", "files", "first"]
    ranked = groups.sort_values(order, ascending=[False] * 4 + [True])
    return DuplicateGroups(ranked.drop(columns=["contradicts", "first"]), files, bool(is_known.any()))
