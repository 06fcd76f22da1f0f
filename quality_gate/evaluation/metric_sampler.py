"""The metrics of any number of weighted resamples of the same photos, all at once.

Where scikit-learn has the metric, the values are those of scikit-learn with ``labels`` = all classes,
``sample_weight`` = the weights and ``zero_division=0``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]

ECE_BINS = 10
SCALAR_METRICS = (
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "brier",
    "brier_top1",
    "ece",
    "log_loss",
    "roc_auc_ovr",
    "pr_auc_ovr",
)
_CELLS_AT_ONCE = 1_000_000  # 8 MB of float64 weights: large enough for numpy, small enough for memory
_SUM_TOLERANCE = 1e-3


class MetricSampler:
    """The metrics of one model's answers as a function of how often each photo counts.

    What does not depend on the weights (sorting above all) is computed once, so that the weights of many resamples
    can be passed block by block.

    Args:
        labels: index of the right class, integers, shape (photos,).
        probabilities: shape (photos, classes), two classes or more, rows that sum to 1. The answer is the most
            probable class, the first of equals.

    Raises:
        ValueError: a shape, type or range is another.
    """

    def __init__(self, labels: Labels, probabilities: Floats) -> None:
        self._labels, self._probabilities = checked_answers(labels, probabilities)
        self._answers = self._probabilities.argmax(axis=1)
        self.n_photos, self.n_classes = self._probabilities.shape

    def scalars(self, weights: Floats) -> dict[str, NDArray[np.float64]]:
        """Every scalar metric, shape (resamples,), for weights of shape (resamples, photos).

        Raises:
            ValueError: the shape is another, a weight is negative or not finite, or a resample has only zeros.
        """
        blocks = [self._scalars(block) for block in self._blocks(weights)]
        return {name: np.concatenate([block[name] for block in blocks]) for name in SCALAR_METRICS}

    def class_counts(self, weights: Floats) -> NDArray[np.float64]:
        """Right answers, photos and answers of every class, shape (3, resamples, classes).

        Raises:
            ValueError: as of ``scalars``.
        """
        return np.concatenate([self._class_counts(block) for block in self._blocks(weights)], axis=1)

    def class_recalls(self, weights: Floats) -> NDArray[np.float64]:
        """Recall, shape (resamples, classes); NaN where a resample has no photo of the class."""
        right, photos, _ = self.class_counts(weights)
        return _ratio(right, photos, undefined=nan)

    def class_rankings(self, weights: Floats) -> NDArray[np.float64]:
        """Area under the ROC curve and average precision of every class, shape (2, resamples, classes).

        NaN where undefined.

        Raises:
            ValueError: as of ``scalars``.
        """
        return np.concatenate([self._class_rankings(block) for block in self._blocks(weights)], axis=1)

    def answer_scores(self, weights: Floats) -> dict[str, NDArray[np.float64]]:
        """Accuracy, both Brier scores, log loss and calibration error alone, shape (resamples,); cheap likewise."""
        blocks = [self._answer_scores(block) for block in self._blocks(weights)]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    def macro_f1(self, weights: Floats) -> NDArray[np.float64]:
        """Macro F1 alone, shape (resamples,): much cheaper than all metrics."""
        result: NDArray[np.float64] = class_scores(self.class_counts(weights))[2].mean(axis=1)
        return result

    def _blocks(self, weights: Floats) -> Iterator[NDArray[np.float64]]:
        weights = np.asarray(weights)
        if weights.ndim != 2 or weights.shape[1] != self.n_photos or len(weights) == 0:
            raise ValueError(f"weights: expected shape (resamples, {self.n_photos}), got {weights.shape}")
        rows = max(1, _CELLS_AT_ONCE // self.n_photos)
        for start in range(0, len(weights), rows):
            block = weights[start : start + rows].astype(np.float64)
            if not np.isfinite(block).all() or (block < 0).any() or (block.sum(axis=1) == 0).any():
                raise ValueError("weights: expected finite values of 0 or more, not all 0 in a resample")
            yield block

    def _class_counts(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        right, photos, answers = np.split(weights @ self._class_membership, 3, axis=1)
        return np.stack([right, photos, answers])

    def _scalars(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        precision, recall, f1 = class_scores(self._class_counts(weights))
        roc, pr = self._class_rankings(weights)
        return self._answer_scores(weights) | {
            "macro_precision": precision.mean(axis=1),
            "macro_recall": recall.mean(axis=1),
            "macro_f1": f1.mean(axis=1),
            "roc_auc_ovr": _mean_of_defined(roc),
            "pr_auc_ovr": _mean_of_defined(pr),
        }

    def _class_rankings(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([_areas(ranking, weights) for ranking in self._rankings], axis=-1)

    def _answer_scores(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        means = weights @ self._photo_scores / weights.sum(axis=1, keepdims=True)
        return {
            "accuracy": means[:, 0],
            "brier": means[:, 1],
            "brier_top1": means[:, 2],
            "log_loss": means[:, 3],
            "ece": np.abs(means[:, 4:]).sum(axis=1),
        }

    @cached_property
    def _class_membership(self) -> NDArray[np.float64]:
        every = np.arange(self.n_classes)
        is_label = self._labels[:, None] == every
        is_answer = self._answers[:, None] == every
        return np.hstack([is_label & is_answer, is_label, is_answer]).astype(np.float64)

    @cached_property
    def _photo_scores(self) -> NDArray[np.float64]:
        right = (self._answers == self._labels).astype(np.float64)
        confidence = self._probabilities.max(axis=1)
        of_label = np.take_along_axis(self._probabilities, self._labels[:, None], axis=1)[:, 0]
        is_label = self._labels[:, None] == np.arange(self.n_classes)
        brier = ((self._probabilities - is_label) ** 2).sum(axis=1)
        # Clipped as scikit-learn does: one photo whose class was given probability 0 must not make the mean infinite.
        log_loss = np.abs(np.log(np.clip(of_label, np.finfo(np.float64).eps, 1.0)))
        in_bin = bin_of(confidence, ECE_BINS)[:, None] == np.arange(ECE_BINS)
        gaps = in_bin * (confidence - right)[:, None]
        return np.column_stack([right, brier, (confidence - right) ** 2, log_loss, gaps])

    @cached_property
    def _rankings(self) -> list["_Ranking"]:
        return [_rank(self._probabilities[:, index], self._labels == index) for index in range(self.n_classes)]


def class_scores(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision, recall and F1, shape (3, …, classes), 0 where undefined.

    Args:
        counts: right answers, photos and answers of every class, shape (3, …, classes).
    """
    right, photos, answers = counts
    return np.stack([_ratio(right, answers), _ratio(right, photos), _ratio(2 * right, photos + answers)])


@dataclass(frozen=True)
class _Ranking:
    """Photos from the most to the least probable of a class; equals are one step, ``ends`` their last positions."""

    order: NDArray[np.intp]
    positive: NDArray[np.bool_]
    ends: NDArray[np.intp]


def _rank(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> _Ranking:
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return _Ranking(order, positive[order], ends)


def _areas(ranking: _Ranking, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the ROC curve and average precision, shape (2, resamples); NaN where undefined."""
    ordered = weights[:, ranking.order]
    found = np.cumsum(ordered, axis=1)[:, ranking.ends]
    right = np.cumsum(ordered * ranking.positive, axis=1)[:, ranking.ends]
    wrong = found - right
    more_right = np.diff(right, axis=1, prepend=0)
    more_wrong = np.diff(wrong, axis=1, prepend=0)
    roc = np.einsum("bn,bn->b", more_wrong, right - more_right / 2)
    precision = np.einsum("bn,bn->b", more_right, _ratio(right, found))
    all_right, all_wrong = right[:, -1], wrong[:, -1]
    return np.stack([_ratio(roc, all_right * all_wrong, undefined=nan), _ratio(precision, all_right, undefined=nan)])


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64], *, undefined: float = 0.0) -> NDArray[np.float64]:
    """``part / whole``, and ``undefined`` where ``whole`` is 0."""
    result: NDArray[np.float64] = np.divide(part, whole, out=np.full(whole.shape, undefined), where=whole > 0)
    return result


def _mean_of_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64), undefined=nan)


def bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Index of the bin, closed on the right, of ``bins`` equally wide ones in 0..1; shape as of ``confidence``."""
    # Edges as quotients: those of linspace miss 0.3 and others by one bit.
    return np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")


def checked_answers(labels: Labels, probabilities: Floats) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The labels, shape (photos,), and probabilities, shape (photos, classes), in the types computed with.

    Raises:
        ValueError: a shape, type or range is another.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or len(values) == 0 or values.shape[1] < 2:
        raise ValueError(f"probabilities: expected shape (photos, classes) with two classes, got {values.shape}")
    # A NaN fails both comparisons.
    if not ((values >= 0) & (values <= 1 + _SUM_TOLERANCE)).all():
        raise ValueError("probabilities: expected values in 0..1")
    if not (np.abs(values.sum(axis=1) - 1) <= _SUM_TOLERANCE).all():
        raise ValueError("probabilities: expected rows that sum to 1")
    indices = checked_indices(labels, values.shape[1])
    if len(indices) != len(values):
        raise ValueError(f"labels: expected shape ({len(values)},), got {indices.shape}")
    return indices, values


def checked_indices(indices: Labels, n_classes: int) -> NDArray[np.int64]:
    """Class indices, shape (photos,), in the type computed with.

    Raises:
        ValueError: they are no integers in 0..n_classes − 1, or the shape is another.
    """
    indices = np.asarray(indices)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"labels: expected integers of shape (photos,), got {indices.dtype} of {indices.shape}")
    if ((indices < 0) | (indices >= n_classes)).any():
        raise ValueError(f"labels: expected class indices in 0..{n_classes - 1}")
    return indices.astype(np.int64)
