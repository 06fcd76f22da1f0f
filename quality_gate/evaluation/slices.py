"""Whether a model is as good on dark, blurred or small photos as on all.

The test photos are cut into thirds by each measure. A slice counts as clearly worse only where its accuracy minus
that of all test photos, in the same resamples of duplicate groups, stays below 0 at 95% confidence for all slices
together (Bonferroni: each slice is tested at 5% divided by their number): of nine slices the worst looks bad by
chance alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import INTERVAL_LEVEL, Interval, percentile_interval, weight_blocks
from quality_gate.evaluation.metric_sampler import Floats, Labels, MetricSampler, class_scores

if TYPE_CHECKING:
    import pandas as pd

# Below 30 photos an interval spans a third of the scale and the percentile bootstrap is too narrow besides.
FEWEST_PHOTOS = 30

# Measure and the names of its thirds, from the lowest values to the highest.
THIRDS: Mapping[str, tuple[str, str, str]] = {
    "brightness": ("dark", "medium", "bright"),
    "sharpness": ("soft", "medium", "sharp"),
    "megapixels": ("small", "medium", "large"),
}


@dataclass(frozen=True)
class Slice:
    """The test photos of one third of a measure.

    Attributes:
        measure: key of :data:`THIRDS`.
        name: of the third.
        low: smallest value of the measure in it.
        high: largest value.
        photos: how many there are.
        accuracy: share of right answers.
        accuracy_interval: 95%, by duplicate group.
        macro_f1: mean F1 of the classes with photos in the slice.
        macro_f1_interval: 95%, by duplicate group.
        gap_bound: upper bound of its accuracy minus that of all test photos, at the level corrected for all slices.
    """

    measure: str
    name: str
    low: float
    high: float
    photos: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    gap_bound: float

    @property
    def too_few(self) -> bool:
        """Whether there are too few photos to say anything."""
        return self.photos < FEWEST_PHOTOS

    @property
    def clearly_worse(self) -> bool:
        """Whether the model is worse here than on all test photos, beyond chance."""
        return not self.too_few and self.gap_bound < 0


def photo_measures(table: pd.DataFrame, image_ids: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Values of every measure of :data:`THIRDS`, each of shape (photos,).

    Args:
        table: an image table with these photos.
        image_ids: SHA-256 of each photo.

    Raises:
        KeyError: the table lacks a photo.
    """
    rows = table.drop_duplicates("image_id").set_index("image_id").loc[list(image_ids)]
    return {
        "brightness": rows["brightness"].to_numpy(dtype=np.float64),
        "sharpness": rows["sharpness"].to_numpy(dtype=np.float64),
        "megapixels": (rows["width"] * rows["height"] / 1e6).to_numpy(dtype=np.float64),
    }


def measure_slices(
    measures: Mapping[str, NDArray[np.float64]],
    labels: Labels,
    probabilities: Floats,
    groups: NDArray[Any],
    *,
    resamples: int,
    seed: int,
) -> dict[str, tuple[Slice, ...]]:
    """Measure a model on the thirds of every measure.

    Args:
        measures: value of each photo by name, each of shape (photos,).
        labels: index of the right class, integers, shape (photos,).
        probabilities: shape (photos, classes), rows that sum to 1.
        groups: the duplicate group of each photo, shape (photos,).
        resamples: 1 or more.
        seed: of the draws; that of the other intervals gives the same resamples.

    Returns:
        The slices by measure, from the lowest values to the highest. Photos of equal value are never parted, so the
        thirds may be uneven, or two; there is none where all photos but few have one value.

    Raises:
        ValueError: a shape, type or range is another.
    """
    members = [
        (measure, name, mask)
        for measure, values in measures.items()
        for name, mask in _thirds(values, THIRDS[measure]).items()
        if not mask.all()
    ]
    masks = [np.ones(len(labels), dtype=np.bool_), *(mask for _, _, mask in members)]
    samplers = [MetricSampler(labels[mask], probabilities[mask]) for mask in masks]

    def figures(weights: Floats) -> NDArray[np.float64]:
        parts = zip(samplers, masks, strict=True)
        return np.stack([_accuracy_and_f1(sampler, weights[:, mask]) for sampler, mask in parts])

    (whole, *samples) = np.concatenate([figures(block) for block in weight_blocks(groups, resamples, seed)], axis=1)
    (_, *values) = figures(np.ones((1, len(labels)), dtype=np.float32))[:, 0]
    tested = sum(int(mask.sum()) >= FEWEST_PHOTOS for _, _, mask in members)
    level = 1 - (1 - INTERVAL_LEVEL) / max(tested, 1)
    slices = [
        Slice(
            measure=measure,
            name=name,
            low=float(measures[measure][mask].min()),
            high=float(measures[measure][mask].max()),
            photos=int(mask.sum()),
            accuracy=float(value[0]),
            accuracy_interval=percentile_interval(drawn[:, 0]),
            macro_f1=float(value[1]),
            macro_f1_interval=percentile_interval(drawn[:, 1]),
            gap_bound=_upper_bound(drawn[:, 0] - whole[:, 0], level),
        )
        for (measure, name, mask), drawn, value in zip(members, samples, values, strict=True)
    ]
    return {measure: tuple(one for one in slices if one.measure == measure) for measure in measures}


def _thirds(values: NDArray[np.float64], names: tuple[str, str, str]) -> dict[str, NDArray[np.bool_]]:
    """Which photos are in each third that has photos, by its name: shape (photos,), the lowest first.

    Equal values are never parted: all of them are in the third of their middle rank.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(values)
    third = np.searchsorted([1 / 3, 2 / 3], middle)[place]
    used = np.unique(third)
    # Two slices are the lower and the upper one, wherever their middle ranks lie.
    names_used = {1: names[1:2], 2: names[::2], 3: names}[len(used)]
    return {name: third == number for name, number in zip(names_used, used, strict=True)}


def _accuracy_and_f1(sampler: MetricSampler, weights: Floats) -> NDArray[np.float64]:
    """Accuracy and macro F1, shape (resamples, 2); NaN where a resample has none of the photos."""
    result = np.full((len(weights), 2), np.nan)
    drawn = weights.sum(axis=1) > 0
    if drawn.any():
        counts = sampler.class_counts(weights[drawn])
        right, photos, _ = counts
        present = photos > 0
        f1 = np.where(present, class_scores(counts)[2], 0)
        result[drawn, 0] = right.sum(axis=1) / photos.sum(axis=1)
        result[drawn, 1] = f1.sum(axis=1) / present.sum(axis=1)
    return result


def _upper_bound(samples: NDArray[np.float64], level: float) -> float:
    defined = samples[~np.isnan(samples)]
    return float(np.quantile(defined, level)) if len(defined) else np.nan
