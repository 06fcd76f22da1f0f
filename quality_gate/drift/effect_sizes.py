"""How large a difference is, which no p value says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def standardised_wasserstein(reference: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    """How far photos have moved on the mean, in standard deviations of the reference; 0 or more.

    The earth mover's distance of the two distributions. Where the reference does not vary it is 0 or infinite.
    """
    values = np.concatenate([reference, window])
    values.sort(kind="stable")
    below = [np.searchsorted(np.sort(part), values[:-1], side="right") / len(part) for part in (reference, window)]
    moved = float(np.sum(np.abs(below[0] - below[1]) * np.diff(values)))
    deviation = float(reference.std())
    if deviation > 1e-12:
        return moved / deviation
    return 0.0 if moved < 1e-12 else float("inf")


def jensen_shannon(reference: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    """Distance of two distributions over classes, in 0..1: the square root of the divergence to the base 2.

    Args:
        reference: counts or shares, shape (classes,), with a sum above 0.
        window: likewise.
    """
    first, second = reference / reference.sum(), window / window.sum()
    middle = (first + second) / 2
    divergence = sum(
        float(np.sum(part[part > 0] * np.log2(part[part > 0] / middle[part > 0]))) for part in (first, second)
    )
    return float(np.sqrt(max(0.0, divergence / 2)))
