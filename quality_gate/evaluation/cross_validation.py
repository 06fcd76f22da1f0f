"""Repeated, stratified cross-validation by duplicate group: what a method is worth where one test set says nothing.

The figures are those of the answers of all folds together: macro F1 is no mean of what is counted photo by photo, and
that of folds of a dozen photos is too low (Forman and Scholz 2010, "Apples-to-apples in cross-validation studies"). How
far they scatter is told by the folds. Their variance is no guide as it stands, for the folds share most of what they
learn from; Nadeau and Bengio (2003, "Inference for the generalization error") add the ratio of photos tested to photos
learnt from: (1/J + tested/learnt) · S² for J folds; Bouckaert and Frank (2004) use it for repeats. The calibration
error of a fold is noise; its interval comes from resampled groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.photo_set import PhotoSets
from quality_gate.errors import UserError
from quality_gate.evaluation.bootstrap import (
    INTERVAL_LEVEL,
    Interval,
    metric_intervals,
    recall_interval,
)
from quality_gate.evaluation.metrics import Metrics, compute_metrics
from quality_gate.evaluation.scores import CrossValidation, Margin, Scores
from quality_gate.training.confident_learning import deal_folds

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.progress import Reporter
    from quality_gate.settings import CrossValidationSettings, SplitSettings

CANDIDATE = "candidate"
_BOUNDS = {"macro_f1": (0.0, 1.0), "brier": (0.0, 2.0)}


def cross_validate(
    photos: PhotoSet,
    methods: Mapping[str, Callable[[PhotoSets], NDArray[np.float64]]],
    settings: CrossValidationSettings,
    split: SplitSettings,
    *,
    resamples: int,
    seed: int,
    reporter: Reporter,
) -> CrossValidation:
    """Train and test every method on every fold of every repeat.

    Args:
        photos: of all splits.
        methods: by name, ``candidate`` first; from the photos of all splits to the probabilities of the test photos,
            shape (photos, classes).
        settings: folds and repeats.
        split: which shares of the photos outside a fold choose the temperature and are kept for the certificate.
        resamples: behind the interval of the calibration error.
        seed: of every random choice.
        reporter: told how far it is.

    Raises:
        UserError: a class has too few groups of near-duplicates for so many folds.
    """
    move, folds = reporter.progress("folds of the cross-validation"), settings.folds
    every = list(_all_folds(photos, settings, split, seed))
    answers = {name: np.zeros((settings.repeats, len(photos), len(photos.classes))) for name in methods}
    for number, (repeat, tested, parts) in enumerate(every, 1):
        for name, method in methods.items():
            answers[name][repeat, tested] = method(parts)
        move(number, len(every))
    ratio = float(np.mean([len(parts.test) / len(parts.train) for _, _, parts in every]))
    metrics = {
        name: [
            compute_metrics(photos.labels[tested], given[repeat, tested], photos.classes) for repeat, tested, _ in every
        ]
        for name, given in answers.items()
    }
    scores = {
        name: _scores(photos, answers[name], metrics[name], ratio, resamples=resamples, seed=seed) for name in methods
    }
    candidate = _figures(metrics[CANDIDATE], "macro_f1")
    margins = {}
    for name in methods:
        if name != CANDIDATE:
            estimate = scores[CANDIDATE].metrics.macro_f1 - scores[name].metrics.macro_f1
            differences = candidate - _figures(metrics[name], "macro_f1")
            margins[name] = Margin(estimate, corrected_interval(estimate, differences, ratio))
    return CrossValidation(folds, settings.repeats, len(photos), scores, margins)


def corrected_interval(
    estimate: float, samples: NDArray[np.float64], ratio: float, level: float = INTERVAL_LEVEL
) -> Interval:
    """Interval of Student's t with the variance of Nadeau and Bengio.

    Args:
        estimate: its middle.
        samples: a figure of every fold, shape (folds,), two or more.
        ratio: photos tested over photos learnt from, above 0.
        level: in (0, 1).
    """
    from scipy.special import stdtrit

    count = len(samples)
    error = math.sqrt((1 / count + ratio) * float(np.var(samples, ddof=1)))
    reach = float(stdtrit(count - 1, (1 + level) / 2)) * error
    return Interval(estimate - reach, estimate + reach)


def _all_folds(
    photos: PhotoSet, settings: CrossValidationSettings, split: SplitSettings, seed: int
) -> Iterator[tuple[int, NDArray[np.intp], PhotoSets]]:
    """Number of the repeat, places of the photos to test, and the photos of every part, of each fold."""
    _check_groups(photos, settings.folds)
    for repeat in range(settings.repeats):
        folds = deal_folds(photos.labels, photos.groups, seed + repeat, settings.folds)
        for fold in range(settings.folds):
            tested, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            learnt, chosen_on, kept = _divided(photos, others, split, seed + repeat)
            missing = sorted(set(range(len(photos.classes))) - set(photos.labels[learnt].tolist()))
            if missing:
                raise UserError(
                    f"evaluation.cross_validation.folds is {settings.folds}: a fold leaves no photo of class "
                    f"{photos.classes[missing[0]]} to learn from; expected more photos of it, or a smaller "
                    "split.validation_share or split.calibration_share."
                )
            parts = PhotoSets(photos.at(learnt), photos.at(chosen_on), photos.at(kept), photos.at(tested))
            yield repeat, tested, parts


def _divided(
    photos: PhotoSet, places: NDArray[np.intp], split: SplitSettings, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Places to learn from, to choose the temperature on, and to keep for the certificate, as a run divides photos."""
    parts = max(round(1 / split.validation_share), 3)
    kept = max(round(parts * split.calibration_share), 1)
    folds = deal_folds(photos.labels[places], photos.groups[places], seed, parts)
    return places[folds > kept], places[folds == 0], places[(folds > 0) & (folds <= kept)]


def _check_groups(photos: PhotoSet, folds: int) -> None:
    for number, label in enumerate(photos.classes):
        groups = len(np.unique(photos.groups[photos.labels == number]))
        if groups < 2 * folds:
            raise UserError(
                f"evaluation.cross_validation.folds is {folds}: class {label} has {groups} groups of near-duplicates; "
                f"expected at least {2 * folds} for so many folds."
            )


def _scores(
    photos: PhotoSet,
    answers: NDArray[np.float64],
    folds: list[Metrics],
    ratio: float,
    *,
    resamples: int,
    seed: int,
) -> Scores:
    repeats = len(answers)
    every, labels = answers.reshape(-1, answers.shape[-1]), np.tile(photos.labels, repeats)
    metrics, groups = compute_metrics(labels, every, photos.classes), np.tile(photos.groups, repeats)
    # Of the calibration error alone: of the others it would leave out what training adds.
    ece = metric_intervals(labels, every, photos.classes, groups, resamples=resamples, seed=seed)["ece"]
    intervals = {"ece": ece}
    for name, (low, high) in _BOUNDS.items():
        found = corrected_interval(metrics.scalars()[name], _figures(folds, name), ratio)
        intervals[name] = Interval(max(found.low, low), min(found.high, high))
    for number, label in enumerate(photos.classes):
        sizes = np.unique(photos.groups[photos.labels == number], return_counts=True)[1]
        intervals[f"recall:{label}"] = recall_interval(metrics.per_class[label].recall, sizes)
    return Scores(metrics, intervals)


def _figures(folds: list[Metrics], name: str) -> NDArray[np.float64]:
    return np.array([metrics.scalars()[name] for metrics in folds])
