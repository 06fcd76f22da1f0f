"""Temperature scaling: one number that makes the confidence of a network mean what it says (Guo et al. 2017)."""

import math

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metric_sampler import Floats, Labels, checked_indices

MIN_TEMPERATURE = 0.05
MAX_TEMPERATURE = 20.0


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """The temperature whose softmax fits the labels best, by negative log likelihood.

    The likelihood alone has no best temperature where every answer is right: it would sharpen without end, every
    confidence would become 1 and nothing would be left to rank photos by. Therefore the right class counts as only
    (n + 1)/(n + 2) of a photo, the rest going to the strongest wrong class: that is how sure n right answers in a row
    make one (Platt 1999, "Probabilistic outputs for support vector machines"). On ordinary data it raises the
    temperature by less than its standard error.

    The result is in proportion to the logits: logits twice as large give twice the temperature, within the bounds.

    Args:
        logits: shape (photos, classes), two classes or more; of photos the network was not trained on.
        labels: index of the right class, integers, shape (photos,).

    Returns:
        What to divide logits by, in 0.05..20; 1 where no logit differs from another and every temperature is as good.

    Raises:
        ValueError: a shape, type or range is another.
    """
    values, indices = _checked(logits, labels)
    if not np.ptp(values, axis=1).any():
        return 1.0
    gaps = values - values.max(axis=1, keepdims=True)
    target = _target_gap(gaps, indices)

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        # Of the logarithm, for a probability may be too small for a float where its logarithm is not.
        return float(np.log(np.exp(gaps * scale).sum(axis=1)).mean() - target * scale)

    from scipy.optimize import minimize_scalar

    # The loss is convex in 1/T and so has one valley in log T.
    bounds = (math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE))
    result = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return math.exp(float(result.x))


def _target_gap(gaps: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean logit of the target, counted from the largest of its photo."""
    rows = np.arange(len(gaps))
    others = gaps.copy()
    others[rows, labels] = -np.inf
    doubt = 1 / (len(gaps) + 2)
    return float(((1 - doubt) * gaps[rows, labels] + doubt * others.max(axis=1)).mean())


def _checked(logits: Floats, labels: Labels) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or len(values) == 0 or values.shape[1] < 2:
        raise ValueError(f"logits: expected shape (photos, classes) with two classes or more, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("logits: expected finite values")
    indices = checked_indices(labels, values.shape[1])
    if len(indices) != len(values):
        raise ValueError(f"labels: expected shape ({len(values)},), got {indices.shape}")
    return values, indices
