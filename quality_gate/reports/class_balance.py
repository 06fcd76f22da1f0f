"""How many photos each class has in each split, as the bars of the data page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.data.image_table import ROLLING_TEST, SPLITS
from quality_gate.data_settings import REVIEWED
from quality_gate.reports.rendering import PALETTE

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT = "left out"

_NAMES = (*SPLITS, ROLLING_TEST, "photos", REVIEWED, LEFT_OUT)
_COLOURS = dict(zip(_NAMES, (*(PALETTE[i] for i in (0, 5, 2, 4, 1, 0, 1)), "#aab4be"), strict=True))


@dataclass(frozen=True)
class Split:
    """A split and its photos; ``colour`` is that of its bars."""

    name: str
    photos: int
    colour: str


@dataclass(frozen=True)
class Part:
    """The photos of a class in a split; ``width`` is in percent of the longest bar."""

    photos: int
    width: float
    colour: str


@dataclass(frozen=True)
class ClassRow:
    """A class: ``photos`` in use, their ``share`` of all in use, and ``parts`` in the order of the splits."""

    label: str
    photos: int
    share: float
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Balance:
    """The classes, the most common first."""

    splits: tuple[Split, ...]
    rows: tuple[ClassRow, ...]

    @property
    def ratio(self) -> float:
        """Photos of the most common class by those of the rarest; infinite where a class has none, 1 without any."""
        photos = [row.photos for row in self.rows]
        if not photos or max(photos) == 0:
            return 1.0
        return max(photos) / min(photos) if min(photos) else float("inf")


def class_balance(table: pd.DataFrame, in_use: pd.Series[bool]) -> Balance:
    """Count the readable photos of each class by split.

    Args:
        table: the image table, before or after the split.
        in_use: whether a readable photo is in use, indexed like the table; the others are counted as left out.
    """
    places = table["split"].where(table["split"] != "", "photos").where(in_use, LEFT_OUT)[table["is_readable"]]
    counts = places.groupby([table["label"], places]).size().unstack(fill_value=0)
    labels = sorted({label for label in table["label"] if label})
    names = [name for name in _COLOURS if name in counts]
    counts = counts.reindex(index=labels, columns=names, fill_value=0)
    totals = counts.drop(columns=LEFT_OUT, errors="ignore").sum(axis=1)
    longest = max(1, int(counts.sum(axis=1).max())) if len(counts) else 1
    splits = tuple(Split(name, int(counts[name].sum()), _COLOURS[name]) for name in names)
    rows = [
        ClassRow(label, int(totals[label]), totals[label] / max(1, totals.sum()), _parts(found, splits, longest))
        for label, found in zip(labels, counts.to_numpy().tolist(), strict=True)
    ]
    return Balance(splits, tuple(sorted(rows, key=lambda row: (-row.photos, row.label))))


def _parts(photos: Sequence[int], splits: Sequence[Split], longest: int) -> tuple[Part, ...]:
    return tuple(
        Part(found, round(100 * found / longest, 2), split.colour) for found, split in zip(photos, splits, strict=True)
    )
