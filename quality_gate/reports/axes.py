"""Axes of the data page: where a value lies in percent of its axis, and the ticks that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

MOST_TICKS = 4


@dataclass(frozen=True)
class Tick:
    """A value written at an axis; ``place`` is in percent of it."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``, both in the unit of the values; what lies outside is drawn at its ends.

    Attributes:
        low: value at 0%.
        high: value at 100%, above ``low``.
        is_log: whether equal steps are equal ratios; ``low`` is then above 0.
        ticks: in order.
    """

    low: float
    high: float
    is_log: bool
    ticks: tuple[Tick, ...]

    def places(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Where values lie, in percent: 0..100, of the shape of ``values``."""
        return _places(values, self.low, self.high, is_log=self.is_log)


def linear_axis(values: pd.Series[float], step: float) -> Axis:
    """A linear axis from tick to tick that holds all of the values but the outermost 0.1% at either end.

    Args:
        values: any numbers.
        step: smallest distance of two ticks.
    """
    low, high = _reach(values, (0.0, step))
    first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
    last = max(last, first + 1)
    every = -(-(last - first + 1) // MOST_TICKS)
    marks = {f"{step * place:.6g}": step * place for place in range(first, last + 1, every)}
    return _axis(step * first, step * last, marks, is_log=False)


def log_axis(values: pd.Series[float], names: dict[str, float] | None = None) -> Axis:
    """A logarithmic axis that holds all of the values but the outermost 0.1% at either end.

    Args:
        values: above 0; smaller ones count as the smallest that is above 0.
        names: ticks to choose from by their text; None takes round numbers.
    """
    low, high = _reach(values[values > 0], (1.0, 1.0))
    # At least a factor of two, with the data in the middle: photos of one size are a stroke, not a whole axis.
    widen = max(1.0, float(np.sqrt(2 * low / high)))
    low, high = low / widen, high * widen
    marks = {text: value for text, value in (names or _round_numbers(low, high)).items() if low <= value <= high}
    return _axis(low, high, marks, is_log=True)


def _axis(low: float, high: float, marks: dict[str, float], *, is_log: bool) -> Axis:
    places = _places(np.array(list(marks.values())), low, high, is_log=is_log)
    ticks = tuple(Tick(round(float(place), 2), text) for place, text in zip(places, marks, strict=True))
    return Axis(low, high, is_log, ticks)


def _reach(values: pd.Series[float], of_nothing: tuple[float, float]) -> tuple[float, float]:
    if values.empty:
        return of_nothing
    # Rounded outwards: of fewer than a thousand photos none is cut off.
    return (
        float(values.quantile(0.001, interpolation="lower")),
        float(values.quantile(0.999, interpolation="higher")),
    )


def _round_numbers(low: float, high: float) -> dict[str, float]:
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        values = [step * 10.0**decade for decade in decades for step in steps]
        inside = [value for value in values if low <= value <= high]
        if len(inside) >= 2:
            break
    thinned = inside[:: -(-len(inside) // MOST_TICKS)] if inside else [np.sqrt(low * high)]
    return {f"{value:,.4g}" if value < 1 else f"{value:,.0f}": value for value in thinned}


def _places(values: NDArray[np.floating[Any]], low: float, high: float, *, is_log: bool) -> NDArray[np.float64]:
    inside = np.clip(values, low, high)
    if is_log:
        inside, low, high = np.log(inside), float(np.log(low)), float(np.log(high))
    return np.asarray(100 * (inside - low) / (high - low), dtype=np.float64)
