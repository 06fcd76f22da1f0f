"""Metrics of a classifier.

The metrics of a test set are those of the one resample in which every photo counts once, so that a value and its
bootstrap interval come from the same lines.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metric_sampler import (
    ECE_BINS,
    SCALAR_METRICS,
    Floats,
    Labels,
    MetricSampler,
    bin_of,
    checked_answers,
    checked_indices,
    class_scores,
)


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class, each in 0..1.

    Attributes:
        precision: share of the photos answered with the class that are of it; 0 where none was answered with it.
        recall: share of the photos of the class that were answered with it; 0 where there is no photo of it.
        f1: harmonic mean of the two; 0 where both are 0.
        support: photos of the class.
        roc_auc: area under its ROC curve against the rest; NaN where there are only photos of it, or none.
        pr_auc: its average precision against the rest; NaN where there is no photo of it.
        brier: mean squared error of its probability, 0..1; those of all classes sum to the Brier score.
        ece: calibration error of its probability over 10 equally wide bins (Kull et al. 2019, classwise), 0..1.
    """

    precision: float
    recall: float
    f1: float
    support: int
    # Evaluations of former versions lack what follows.
    roc_auc: float = nan
    pr_auc: float = nan
    brier: float = nan
    ece: float = nan


@dataclass(frozen=True)
class Metrics:
    """Metrics of one model on one set of photos.

    Attributes:
        accuracy: share of right answers.
        macro_precision: mean precision of all classes, those without a photo or an answer counting 0.
        macro_recall: mean recall of all classes, those without a photo counting 0.
        macro_f1: mean F1 of all classes, those without a photo or an answer counting 0.
        brier: mean over photos of the squared error of the probabilities summed over classes, 0..2 (Brier 1950).
        brier_top1: mean squared difference between the confidence and whether the answer is right, 0..1.
        ece: expected calibration error over 10 equally wide bins of the confidence, closed on the right, 0..1
            (Guo et al. 2017).
        log_loss: mean negative log probability of the right class, 0 or more.
        roc_auc_ovr: area under the ROC curve, one class against the rest, mean of the classes that have both photos
            and others; NaN where there is no such class.
        pr_auc_ovr: average precision, one class against the rest, mean of the classes that have photos.
        per_class: metrics of every class by name, in the order of the probabilities.
    """

    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    brier: float
    brier_top1: float
    ece: float
    log_loss: float
    roc_auc_ovr: float
    pr_auc_ovr: float
    per_class: dict[str, ClassMetrics]

    def scalars(self) -> dict[str, float]:
        """Every metric that is one number, by name."""
        return {name: getattr(self, name) for name in SCALAR_METRICS}

    def to_json(self) -> dict[str, Any]:
        """The metrics as plain JSON values; what is undefined is null."""
        return {
            **_defined(self.scalars()),
            "per_class": {name: _defined(asdict(values)) for name, values in self.per_class.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read back what ``to_json`` gave.

        Raises:
            KeyError: a metric is missing.
        """
        scalars = {name: nan if values[name] is None else float(values[name]) for name in SCALAR_METRICS}
        per_class = {name: ClassMetrics(**_with_undefined(each)) for name, each in values["per_class"].items()}
        return cls(**scalars, per_class=per_class)

    def of_classes(self, prefix: str) -> dict[str, float]:
        """What is defined of the figures of each class, by ``prefix`` figure ``/`` class, for an experiment tracker."""
        named = {
            f"{prefix}{figure}/{name}": value
            for name, each in self.per_class.items()
            for figure, value in asdict(each).items()
            if figure != "support"
        }
        return {name: value for name, value in named.items() if not isnan(value)}

    def mean(self, figure: str) -> float:
        """Mean of a figure of the classes; NaN where it is undefined for one."""
        return float(np.mean([getattr(each, figure) for each in self.per_class.values()]))

    def weighted(self, figure: str) -> float:
        """Mean of a figure of the classes, each weighing as much as it has photos; NaN where it is undefined for one.

        Args:
            figure: name of an attribute of :class:`ClassMetrics`.
        """
        photos = sum(each.support for each in self.per_class.values())
        return sum(float(getattr(each, figure)) * each.support for each in self.per_class.values()) / photos


@dataclass(frozen=True)
class ReliabilityCurve:
    """How often answers of about one confidence are right; one entry a bin that holds a photo.

    Attributes:
        confidence: mean confidence of the bin, shape (bins used,), in 0..1.
        accuracy: share of right answers in the bin, shape (bins used,), in 0..1.
        count: photos in the bin, shape (bins used,).
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]


def compute_metrics(labels: Labels, probabilities: Floats, classes: Sequence[str]) -> Metrics:
    """Metrics of the answers of a model.

    Args:
        labels: index of the right class, integers, shape (photos,).
        probabilities: shape (photos, classes), rows that sum to 1.
        classes: names in the order of the columns, each once.

    Raises:
        ValueError: a shape, type or range is another.
    """
    sampler = MetricSampler(labels, probabilities)
    if len(classes) != sampler.n_classes or len(set(classes)) != len(classes):
        raise ValueError(f"classes: expected {sampler.n_classes} different names, got {list(classes)}")
    once = np.ones((1, sampler.n_photos))
    counts = sampler.class_counts(once)
    rows = zip(classes, *class_scores(counts)[:, 0], counts[1, 0], *sampler.class_rankings(once)[:, 0], strict=True)
    errors = class_errors(labels, probabilities)
    return Metrics(
        **{name: float(values[0]) for name, values in sampler.scalars(once).items()},
        per_class={
            name: ClassMetrics(
                float(precision),
                float(recall),
                float(f1),
                int(support),
                float(roc),
                float(pr),
                *errors[:, place].tolist(),
            )
            for place, (name, precision, recall, f1, support, roc, pr) in enumerate(rows)
        },
    )


def class_errors(labels: Labels, probabilities: Floats, bins: int = ECE_BINS) -> NDArray[np.float64]:
    """Brier score and calibration error of the probability of each class, shape (2, classes).

    Args:
        labels: index of the right class, integers, shape (photos,).
        probabilities: shape (photos, classes), rows that sum to 1.
        bins: equally wide ones of the probability, closed on the right.

    Raises:
        ValueError: a shape, type or range is another.
    """
    indices, values = checked_answers(labels, probabilities)
    gaps = values - (indices[:, None] == np.arange(values.shape[1]))
    places = bin_of(values, bins)
    of_bins = [np.abs(np.where(places == number, gaps, 0).sum(axis=0)) for number in range(bins)]
    return np.stack([(gaps**2).mean(axis=0), np.sum(of_bins, axis=0) / len(values)])


def metric_samples(labels: Labels, probabilities: Floats, weights: Floats) -> dict[str, NDArray[np.float64]]:
    """Every scalar metric, shape (resamples,), for weights of shape (resamples, photos); see ``MetricSampler``."""
    return MetricSampler(labels, probabilities).scalars(weights)


def class_recall_samples(labels: Labels, probabilities: Floats, weights: Floats) -> NDArray[np.float64]:
    """Recall, shape (resamples, classes), NaN where a resample has no photo of the class; see ``MetricSampler``."""
    return MetricSampler(labels, probabilities).class_recalls(weights)


def confusion_matrix(labels: Labels, predicted: Labels, n_classes: int) -> NDArray[np.int64]:
    """Photos by right class (rows) and answered class (columns), shape (n_classes, n_classes).

    Raises:
        ValueError: the shapes differ, or an index is outside 0..n_classes − 1.
    """
    labels, predicted = checked_indices(labels, n_classes), checked_indices(predicted, n_classes)
    if labels.shape != predicted.shape:
        raise ValueError(f"predicted: expected shape {labels.shape}, got {predicted.shape}")
    counts = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def reliability_curve(labels: Labels, probabilities: Floats, bins: int = ECE_BINS) -> ReliabilityCurve:
    """Confidence against accuracy in equally wide bins of the confidence, closed on the right.

    Args:
        labels: index of the right class, integers, shape (photos,).
        probabilities: shape (photos, classes), rows that sum to 1.
        bins: 1 or more; those without a photo are left out of the curve.

    Raises:
        ValueError: a shape, type or range is another.
    """
    if bins < 1:
        raise ValueError(f"bins: expected 1 or more, got {bins}")
    labels, checked = checked_answers(labels, probabilities)
    confidence = checked.max(axis=1)
    index = bin_of(confidence, bins)
    count = np.bincount(index, minlength=bins)
    used = count > 0
    sums = [np.bincount(index, each, minlength=bins)[used] for each in (confidence, checked.argmax(axis=1) == labels)]
    return ReliabilityCurve(sums[0] / count[used], sums[1] / count[used], count[used].astype(np.int64))


def _with_undefined(values: dict[str, Any]) -> dict[str, Any]:
    """Figures as they were before JSON."""
    return {name: nan if value is None else value for name, value in values.items()}


def _defined(values: dict[str, Any]) -> dict[str, Any]:
    """Figures as JSON knows them: what is undefined is null."""
    return {name: None if isinstance(value, float) and isnan(value) else value for name, value in values.items()}
