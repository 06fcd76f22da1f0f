"""How much each of several models should count for, so that together they explain labels best."""

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metric_sampler import Floats

# A member that adds nothing keeps so much: its share is to be told, and its logarithm taken.
LEAST_WEIGHT = 1e-4
_MOST_STEPS = 10_000
_SETTLED = 1e-9


def mixture_weights(log_probabilities: Floats) -> NDArray[np.float64]:
    """The weights of a mixture under which the labels are likeliest.

    Found by expectation maximisation (Dempster, Laird and Rubin 1977), under which the likelihood never falls; it is
    concave in the weights, so that there is no other maximum to end in.

    Args:
        log_probabilities: natural logarithm of the probability that each model gives the right class of a photo, shape
            (photos, models).

    Returns:
        Shape (models,), each 0.0001 or more; they sum to 1.

    Raises:
        ValueError: there is no photo or no model.
    """
    values = np.asarray(log_probabilities, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"log_probabilities: expected shape (photos, models), got {values.shape}")
    likelihood = np.exp(values - values.max(axis=1, keepdims=True))
    weights = np.full(values.shape[1], 1 / values.shape[1])
    for _ in range(_MOST_STEPS):
        shares = likelihood * weights
        better = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        settled = bool(np.abs(better - weights).max() < _SETTLED)
        weights = better
        if settled:
            break
    kept = np.maximum(weights, LEAST_WEIGHT)
    result: NDArray[np.float64] = kept / kept.sum()
    return result
