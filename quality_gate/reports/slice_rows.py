"""The table of slices in words and bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor

from quality_gate.evaluation.slices import Slice
from quality_gate.evaluation.wording import interval_text, number


@dataclass(frozen=True)
class Bar:
    """An interval and its value, in percent of the axis."""

    left: float
    width: float
    mark: float


@dataclass(frozen=True)
class SliceRow:
    """One row; figures are empty where there are too few photos.

    Attributes:
        name: of the slice.
        values: from which value of the measure to which.
        photos: how many there are.
        too_few: whether they are too few to say anything.
        worse: whether the slice is clearly worse than the whole.
        accuracy: with its interval, as text.
        accuracy_interval: its interval, as text.
        macro_f1: as text.
        macro_f1_interval: its interval, as text.
        bar: the accuracy on the table's axis; None where there are too few photos.
    """

    name: str
    values: str
    photos: int
    too_few: bool
    worse: bool
    accuracy: str
    accuracy_interval: str
    macro_f1: str
    macro_f1_interval: str
    bar: Bar | None


@dataclass(frozen=True)
class SliceTable:
    """The rows by measure, on one axis.

    Attributes:
        measures: rows by the name of the measure; none where all photos have the same value.
        axis_start: accuracy at the left end of the bars; the right end is 1.
        whole: accuracy of all test photos, in percent of the axis.
        tested: slices with enough photos.
        worse: how many of these are clearly worse.
    """

    measures: dict[str, list[SliceRow]]
    axis_start: float
    whole: float
    tested: int
    worse: int


def slice_table(slices: Mapping[str, tuple[Slice, ...]], accuracy: float) -> SliceTable:
    """Make the table.

    Args:
        slices: by measure.
        accuracy: of all test photos.
    """
    every = [one for each in slices.values() for one in each if not one.too_few]
    lowest = min([accuracy, *(one.accuracy_interval.low for one in every)])
    # On an axis from 0 good slices could not be told apart.
    start = max(floor(10 * lowest - 0.25) / 10, 0.0)
    return SliceTable(
        measures={measure: [_row(one, start) for one in each] for measure, each in slices.items()},
        axis_start=start,
        whole=_place(accuracy, start),
        tested=len(every),
        worse=sum(one.clearly_worse for one in every),
    )


def _row(one: Slice, start: float) -> SliceRow:
    low, high = (_place(end, start) for end in (one.accuracy_interval.low, one.accuracy_interval.high))
    return SliceRow(
        name=one.name,
        values=f"{number(one.low)} to {number(one.high)}",
        photos=one.photos,
        too_few=one.too_few,
        worse=one.clearly_worse,
        accuracy=number(one.accuracy),
        accuracy_interval=interval_text(one.accuracy_interval),
        macro_f1=number(one.macro_f1),
        macro_f1_interval=interval_text(one.macro_f1_interval),
        bar=None if one.too_few else Bar(low, round(high - low, 2), _place(one.accuracy, start)),
    )


def _place(value: float, start: float) -> float:
    return round(100 * (value - start) / (1 - start), 2)
