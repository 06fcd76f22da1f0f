"""How far a metric may be from the truth: bootstrap intervals that resample whole groups of near-duplicates.

Photos of one group are as good as one photo, so that resampling photos would promise too much; the groups are drawn
with replacement instead (Field and Welsh 2007, "Bootstrapping clustered data").

Percentiles of the resamples cover the truth as often as they say where a few dozen errors were seen, but not
everywhere. Two kinds of interval are therefore made otherwise: the recall of a class, whose percentiles miss the truth
up to half the time when the class has a handful of errors, and the expected calibration error, which every resample
overstates. What remains: the intervals of a model that hardly errs are too short, for the bootstrap knows nothing of
errors that it has not seen. At a macro F1 of 0.99 on 700 photos that of macro F1 holds the truth 85 times in 100, that
of the calibration error 76 times; at 0.94 on 200 photos those of macro F1 and Brier score do 92 times or more, that of
log loss 88 times. Without any error that of macro F1 is [1, 1]. `tests/evaluation/test_honesty.py` measures all of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metric_sampler import SCALAR_METRICS, Floats, Labels, MetricSampler

INTERVAL_LEVEL = 0.95
_CELLS_AT_ONCE = 2_000_000  # 8 MB of float32 weights


@dataclass(frozen=True)
class Interval:
    """Where a value lies, both ends included; NaN where it is undefined in every resample."""

    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """The ends as plain JSON values; what is undefined is null."""
        return {"low": None if isnan(self.low) else self.low, "high": None if isnan(self.high) else self.high}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read back what ``to_json`` gave.

        Raises:
            KeyError: an end is missing.
        """
        low, high = (nan if values[end] is None else float(values[end]) for end in ("low", "high"))
        return cls(low, high)


@dataclass(frozen=True)
class PairedDifference:
    """Macro F1 of the candidate minus that of the champion, on the same photos.

    Attributes:
        estimate: the difference on the photos as they are, in −1..1.
        interval: two-sided 95% interval of it.
        lower_bound: one-sided lower bound of it, at the level asked for.
    """

    estimate: float
    interval: Interval
    lower_bound: float


def weight_blocks(groups: NDArray[Any], resamples: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """The resamples of ``group_weights`` a few megabytes at a time, each block of shape (some resamples, photos).

    Raises:
        ValueError: ``groups`` is not of shape (photos,) with a photo, or ``resamples`` is below 1.
    """
    groups = np.asarray(groups)
    if groups.ndim != 1 or len(groups) == 0:
        raise ValueError(f"groups: expected shape (photos,) with a photo or more, got {groups.shape}")
    if resamples < 1:
        raise ValueError(f"resamples: expected 1 or more, got {resamples}")
    return _draw_blocks(groups, resamples, np.random.default_rng(seed))


def group_weights(groups: NDArray[Any], resamples: int, seed: int) -> NDArray[np.float32]:
    """How often each photo counts in each resample of whole groups with replacement.

    The weights belong to the photos: another order of the photos gives the same weights in that order, and fewer
    resamples are the first of more.

    Args:
        groups: the group of each photo, any sortable values, shape (photos,).
        resamples: 1 or more.
        seed: of the draws.

    Returns:
        Whole numbers, exact in float32, shape (resamples, photos); for many photos prefer ``weight_blocks``.

    Raises:
        ValueError: ``groups`` is not of shape (photos,) with a photo, or ``resamples`` is below 1.
    """
    return np.concatenate(list(weight_blocks(groups, resamples, seed)))


def percentile_interval(samples: NDArray[np.floating[Any]], level: float = INTERVAL_LEVEL) -> Interval:
    """Two-sided percentile interval (Efron 1979) of the samples that are defined.

    Args:
        samples: the value in each resample, shape (resamples,); NaN where it is undefined.
        level: share of the samples between the ends, in (0, 1).

    Raises:
        ValueError: ``level`` is outside (0, 1) or the shape is another.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 1 or len(samples) == 0:
        raise ValueError(f"samples: expected shape (resamples,) with one or more, got {samples.shape}")
    _check_level(level)
    defined = samples[~np.isnan(samples)]
    if len(defined) == 0:
        return Interval(nan, nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def metric_intervals(
    labels: Labels, probabilities: Floats, classes: Sequence[str], groups: NDArray[Any], *, resamples: int, seed: int
) -> dict[str, Interval]:
    """95% interval of every scalar metric and, as ``recall:<class>``, of the recall of every class.

    Percentiles of the resamples, but for the recalls (``recall_interval``) and the expected calibration error
    (``unbiased_interval``). The macro metrics count a class that does not occur as 0, as scikit-learn does; with a
    handful of groups in a class their lower end is pessimistic.

    Args:
        labels: index of the right class, integers, shape (photos,).
        probabilities: shape (photos, classes), rows that sum to 1.
        classes: names in the order of the columns.
        groups: the duplicate group of each photo, shape (photos,).
        resamples: 1 or more; 1000 for ends that are good to about a tenth of the interval.
        seed: of the draws.

    Raises:
        ValueError: a shape, type or range is another.
    """
    sampler = MetricSampler(labels, probabilities)
    if len(classes) != sampler.n_classes:
        raise ValueError(f"classes: expected {sampler.n_classes} names, got {list(classes)}")
    blocks = [
        np.column_stack([*sampler.scalars(weights).values()]) for weights in weight_blocks(groups, resamples, seed)
    ]
    samples = dict(zip(SCALAR_METRICS, np.concatenate(blocks).T, strict=True))
    intervals = {name: percentile_interval(values) for name, values in samples.items()}
    once = np.ones((1, sampler.n_photos))
    intervals["ece"] = unbiased_interval(float(sampler.scalars(once)["ece"][0]), samples["ece"])
    recalls = sampler.class_recalls(once)[0]
    for index, name in enumerate(classes):
        sizes = np.unique(np.asarray(groups)[np.asarray(labels) == index], return_counts=True)[1]
        intervals[f"recall:{name}"] = recall_interval(float(recalls[index]), sizes)
    return intervals


def recall_interval(recall: float, group_sizes: NDArray[np.number[Any]], level: float = INTERVAL_LEVEL) -> Interval:
    """Two-sided interval of a share of right answers, wide enough though the photos of a group be answered alike.

    That of Clopper and Pearson (1934) for as many photos as the groups are worth: (Σ size)² / Σ size² (Kish 1965,
    "Survey Sampling"), which is the number of photos where each is a group of its own. It covers the truth at least as
    often as ``level`` says, also where every answer was right.

    Args:
        recall: the share measured, 0..1.
        group_sizes: photos of the class in each group that has any, or for how many photos each stands, shape
            (groups,).
        level: in (0, 1).

    Returns:
        NaN at both ends where there is no photo.
    """
    from scipy.special import betaincinv

    _check_level(level)
    if len(group_sizes) == 0:
        return Interval(nan, nan)
    worth = float(group_sizes.sum() ** 2 / (group_sizes**2).sum())
    right, wrong = worth * recall, worth * (1 - recall)
    tail = (1 - level) / 2
    low = float(betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0
    return Interval(low, high)


def unbiased_interval(estimate: float, samples: NDArray[np.floating[Any]], level: float = INTERVAL_LEVEL) -> Interval:
    """Two-sided interval of an error that is 0 or more and that noise can only raise.

    The expected calibration error of a resample is on average above that of the photos, by as much as that of the
    photos is above the truth, since the noise of the bins adds to it. So the lower end is the basic one,
    2 · estimate − upper percentile (Davison and Hinkley 1997, section 5.2), which mirrors the bias back; the upper end
    stays the percentile and is on the safe side.

    Args:
        estimate: of the photos as they are, 0 or more.
        samples: of the resamples, shape (resamples,).
        level: in (0, 1).
    """
    high = max(percentile_interval(samples, level).high, estimate)
    return Interval(max(2 * estimate - high, 0.0), high)


def paired_difference(
    labels: Labels,
    candidate: Floats,
    champion: Floats,
    groups: NDArray[Any],
    *,
    resamples: int,
    seed: int,
    level: float = INTERVAL_LEVEL,
) -> PairedDifference:
    """Difference of macro F1 of two models, each resample drawn once for both.

    Photos that are hard for both models fall out of the difference, so that it is known far better than either score.

    Args:
        labels: index of the right class, integers, shape (photos,).
        candidate: probabilities of the candidate, shape (photos, classes), rows that sum to 1.
        champion: those of the champion on the same photos, columns in the same order.
        groups: the duplicate group of each photo, shape (photos,).
        resamples: 1 or more.
        seed: of the draws.
        level: of the one-sided lower bound, in (0, 1).

    Raises:
        ValueError: a shape, type or range is another.
    """
    samplers = MetricSampler(labels, candidate), MetricSampler(labels, champion)
    if samplers[0].n_classes != samplers[1].n_classes:
        raise ValueError(f"champion: expected {samplers[0].n_classes} classes, got {samplers[1].n_classes}")
    _check_level(level)

    def difference(weights: Floats) -> NDArray[np.float64]:
        return samplers[0].macro_f1(weights) - samplers[1].macro_f1(weights)

    samples = np.concatenate([difference(weights) for weights in weight_blocks(groups, resamples, seed)])
    return PairedDifference(
        estimate=float(difference(np.ones((1, samplers[0].n_photos)))[0]),
        interval=percentile_interval(samples),
        lower_bound=float(np.quantile(samples, 1 - level)),
    )


def _draw_blocks(groups: NDArray[Any], resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    names, group_of_photo = np.unique(groups, return_inverse=True)
    count = len(names)
    rows = max(1, _CELLS_AT_ONCE // len(groups))
    for start in range(0, resamples, rows):
        draws = range(start, min(start + rows, resamples))
        # One draw a resample: the size of a block must not change what is drawn.
        times = [np.bincount(rng.integers(count, size=count), minlength=count) for _ in draws]
        yield np.stack(times).astype(np.float32)[:, group_of_photo]


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level: expected a share in (0, 1), got {level}")
