"""p values that hold for any sample size and any ties: by exchanging which photos are called the window's.

If nothing has changed, every choice of so many photos among all is as likely to be the window, so that the share of
choices whose statistic is as large as the observed one is a p value whatever the statistic is. Choices are drawn only
until enough of them are as large (Besag and Clifford 1991, "Sequential Monte Carlo p-values"): what is far from an
alarm is known after a few dozen, what is near one takes them all, and the p value is exact in both cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# A p value is estimated to a quarter of its size once so many choices are as large as what was observed.
ENOUGH_AS_LARGE = 20
_DRAWN_TOGETHER = 100
# Of the observed value: what the order of a sum changes.
_ROUNDING = 1e-9


class Statistic(Protocol):
    """How much the window differs from the rest."""

    def __call__(self, is_window: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Its value, shape (choices,), for choices of the window's photos, shape (choices, photos)."""


@dataclass(frozen=True)
class ResampledP:
    """A p value.

    Attributes:
        observed: the statistic of the window.
        p_value: in 0..1; under no drift at most q in a share q of windows.
        draws: choices it rests on.
    """

    observed: float
    p_value: float
    draws: int


def resampled_p(
    statistic: Statistic, is_window: NDArray[np.bool_], *, resamples: int, random: np.random.Generator
) -> ResampledP:
    """The p value of a statistic.

    Args:
        statistic: larger where the window differs more.
        is_window: which photos are the window's, shape (photos,).
        resamples: choices at most; below α no p value can be smaller than 1 / (resamples + 1).
        random: draws the choices.
    """
    observed = float(statistic(is_window[None])[0])
    limit = observed - _ROUNDING * abs(observed)
    drawn = as_large = 0
    while drawn < resamples:
        count = min(_DRAWN_TOGETHER, resamples - drawn)
        choices = random.permuted(np.repeat(is_window[None], count, axis=0), axis=1)
        reached = as_large + np.cumsum(statistic(choices) >= limit)
        if reached[-1] >= ENOUGH_AS_LARGE:
            draws = drawn + int(np.searchsorted(reached, ENOUGH_AS_LARGE)) + 1
            return ResampledP(observed, ENOUGH_AS_LARGE / draws, draws)
        as_large, drawn = int(reached[-1]), drawn + count
    return ResampledP(observed, (as_large + 1) / (drawn + 1), drawn)


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Adjust p values: of all that nothing has changed for, one falls below α with a probability of at most α.

    Holm 1979; nothing is assumed of how they depend on each other.
    """
    adjusted, largest = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
