"""How light, sharpness, size and shape spread: over the photos of each class, and in training against test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.reports.axes import Axis, linear_axis, log_axis

if TYPE_CHECKING:
    import pandas as pd

VIOLIN_BINS = 36
HISTOGRAM_BINS = 40
# Of more classes the rows alone would be megabytes, and nobody reads them.
DRAWN_CLASSES = 200
SWATCHES = 12

_SHAPES = {"1:3": 1 / 3, "1:2": 1 / 2, "3:4": 3 / 4, "1:1": 1.0, "4:3": 4 / 3, "2:1": 2.0, "3:1": 3.0}


@dataclass(frozen=True)
class Measure:
    """What is drawn of a photo.

    Attributes:
        name: as shown.
        unit: as shown; '' where it has none.
        values: one a photo, indexed like the photos.
        axis: it is drawn on.
        places: decimals of its median.
        explained: share of its variance, on the axis, that the classes explain (η²), in 0..1.
    """

    name: str
    unit: str
    values: pd.Series[float]
    axis: Axis
    places: int
    explained: float

    def text(self, value: float) -> str:
        """A value as it is shown."""
        return f"{value:,.{self.places}f}"


@dataclass(frozen=True)
class Violin:
    """The photos of a class on an axis of 0..100: an outline 24 high, the middle half, the median and its text."""

    outline: str
    lower: float
    middle: float
    upper: float
    median: str


@dataclass(frozen=True)
class ClassSpread:
    """A class; ``violins`` are in the order of the measures."""

    label: str
    violins: tuple[Violin, ...]


@dataclass(frozen=True)
class ClassColour:
    """The mean colour of a class, and of each twelfth of its photos from the bluest to the reddest, as ``#rrggbb``."""

    mean: str
    swatches: tuple[str, ...]


@dataclass(frozen=True)
class Histogram:
    """A measure over all photos: outlines in a box of 100 × 40.

    ``test`` is '' and ``distance`` None where there are no two parts to compare. ``distance`` is that of Kolmogorov
    and Smirnov, the largest difference of the two cumulative shares, in 0..1.
    """

    measure: Measure
    training: str
    test: str
    distance: float | None


def light_measures(photos: pd.DataFrame) -> tuple[Measure, ...]:
    """Brightness, contrast and sharpness of readable photos."""
    sharpness = photos["sharpness"].clip(lower=1)
    return (
        _measure("brightness", "", photos["brightness"], linear_axis(photos["brightness"], 0.1), 2, photos),
        _measure("contrast", "", photos["contrast"], linear_axis(photos["contrast"], 0.05), 2, photos),
        _measure("sharpness", "", sharpness, log_axis(sharpness), 0, photos),
    )


def size_measures(photos: pd.DataFrame) -> tuple[Measure, ...]:
    """Size, shape and weight of the files of readable photos."""
    edge, ratio, weight = (photos["width"] * photos["height"]) ** 0.5, photos["aspect_ratio"], photos["file_size_kb"]
    return (
        _measure("size", "pixels", edge, log_axis(edge), 0, photos),
        _measure("aspect ratio", "", ratio, log_axis(ratio, _SHAPES), 2, photos),
        _measure("file size", "KB", weight, log_axis(weight), 0, photos),
    )


def class_spreads(labels: pd.Series[str], measures: Sequence[Measure]) -> tuple[ClassSpread, ...]:
    """The violins of the first 200 classes in the order of their names.

    Args:
        labels: class of each photo.
        measures: of the same photos.
    """
    names = sorted(labels.unique())[:DRAWN_CLASSES]
    is_drawn = labels.isin(names)
    labels = labels[is_drawn]
    measures = [replace(measure, values=measure.values[is_drawn]) for measure in measures]
    columns = [_violins(labels, names, measure) for measure in measures]
    return tuple(ClassSpread(name, violins) for name, violins in zip(names, zip(*columns, strict=True), strict=True))


def class_colours(photos: pd.DataFrame) -> tuple[ClassColour, ...]:
    """The colours of the first 200 classes in the order of their names."""
    channels = ["red_mean", "green_mean", "blue_mean"]
    warmth = (photos["red_mean"] - photos["blue_mean"]).round(3)
    # Grey photos are all as blue as red; they go from dark to bright.
    from_blue = photos.assign(warmth=warmth).sort_values(["warmth", "brightness"])
    colours = []
    for _, members in from_blue.groupby("label", sort=True)[channels]:
        parts = np.array_split(members.to_numpy(), min(SWATCHES, len(members)))
        colours.append(ClassColour(_hex(members.to_numpy()), tuple(_hex(part) for part in parts)))
    return tuple(colours[:DRAWN_CLASSES])


def histograms(measures: Sequence[Measure], is_test: pd.Series[bool]) -> tuple[Histogram, ...]:
    """Every measure over all photos, test photos apart where there are both.

    Args:
        measures: of the photos.
        is_test: whether a photo is in the test set, indexed like the photos.
    """
    is_compared = bool(is_test.any() and not is_test.all())
    return tuple(_histogram(measure, is_test.to_numpy() & is_compared, is_compared) for measure in measures)


def _measure(name: str, unit: str, values: pd.Series[float], axis: Axis, places: int, photos: pd.DataFrame) -> Measure:
    import pandas as pd

    places_on_axis = pd.Series(axis.places(values.to_numpy(dtype=np.float64)), values.index)
    variance = float(places_on_axis.var(ddof=0)) if len(values) else 0.0
    # Rounding alone makes of equal values a variance far below this.
    if variance < 1e-9:
        return Measure(name, unit, values, axis, places, 0.0)
    between = float(places_on_axis.groupby(photos["label"]).transform("mean").var(ddof=0))
    return Measure(name, unit, values, axis, places, between / variance)


def _violins(labels: pd.Series[str], names: Sequence[str], measure: Measure) -> tuple[Violin, ...]:
    places = measure.axis.places(measure.values.to_numpy(dtype=np.float64))
    rows = np.searchsorted(names, labels.to_numpy(dtype=str))
    bins = np.minimum(places * VIOLIN_BINS / 100, VIOLIN_BINS - 1).astype(np.intp)
    counts = np.bincount(rows * VIOLIN_BINS + bins, minlength=len(names) * VIOLIN_BINS)
    shares = _smooth(counts.reshape(len(names), VIOLIN_BINS).astype(np.float64))
    by_class = measure.values.groupby(labels)
    quartiles = np.column_stack([by_class.quantile(q).loc[list(names)].to_numpy() for q in (0.25, 0.5, 0.75)])
    return tuple(
        _violin(row, places, measure.text(float(median)))
        for row, places, median in zip(shares, measure.axis.places(quartiles), quartiles[:, 1], strict=True)
    )


def _violin(shares: NDArray[np.float64], quartiles: NDArray[np.float64], median: str) -> Violin:
    lower, middle, upper = (round(float(place), 1) for place in quartiles)
    return Violin(_outline(shares), lower, middle, upper, median)


def _smooth(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts of each row, their neighbours weighed in, as shares of the largest."""
    padded = np.pad(counts, ((0, 0), (1, 1)))
    counts = padded[:, :-2] / 4 + padded[:, 1:-1] / 2 + padded[:, 2:] / 4
    shares: NDArray[np.float64] = counts / np.maximum(counts.max(axis=1, keepdims=True), 1e-12)
    return shares


def _outline(shares: NDArray[np.float64]) -> str:
    """A closed path around y = 12, at most 11 above and below it, where there is anything."""
    present = np.flatnonzero(shares > 0.01)
    if not len(present):
        return ""
    first, last = present[0], present[-1]
    middles = (np.arange(first, last + 1) + 0.5) * 100 / VIOLIN_BINS
    heights = 11 * shares[first : last + 1]
    xs = np.concatenate([[max(0.0, middles[0] - 1.8)], middles, [min(100.0, middles[-1] + 1.8)]])
    ys = np.concatenate([[0.0], heights, [0.0]])
    points = [*zip(xs, 12 - ys, strict=True), *zip(xs[-2:0:-1], 12 + ys[-2:0:-1], strict=True)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def _histogram(measure: Measure, is_test: NDArray[np.bool_], is_compared: bool) -> Histogram:
    places = measure.axis.places(measure.values.to_numpy(dtype=np.float64))
    training, test = places[~is_test], places[is_test]
    shares = [np.histogram(part, HISTOGRAM_BINS, (0, 100))[0] / max(1, len(part)) for part in (training, test)]
    top = max(share.max() for share in shares) or 1.0
    distance = _kolmogorov_smirnov(training, test) if is_compared else None
    return Histogram(measure, _steps(shares[0] / top), _steps(shares[1] / top) if is_compared else "", distance)


def _steps(shares: NDArray[np.float64]) -> str:
    width = 100 / len(shares)
    steps = "".join(f"V{40 - 38 * share:.1f}H{width * (place + 1):.4g}" for place, share in enumerate(shares))
    return f"M0 40{steps}V40"


def _kolmogorov_smirnov(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    values = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(part), values, side="right") / len(part) for part in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _hex(channels: NDArray[np.float64]) -> str:
    red, green, blue = (round(255 * float(mean)) for mean in channels.mean(axis=0))
    return f"#{red:02x}{green:02x}{blue:02x}"
