"""How figures are written: the same on the report page, in the terminal's table and in the line that ends a run."""

import math

from quality_gate.evaluation.bootstrap import Interval

USUAL_PLACES = 3
# Enough to tell any two floating-point numbers apart.
MOST_PLACES = 20
UNDEFINED = "–"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, places: int = USUAL_PLACES, *, sign: bool = False) -> str:
    """A figure as people read it: as many decimals as its size deserves, powers of ten below a thousandth.

    Args:
        value: what to show; a dash where it is not finite.
        places: decimals of a value around 1.
        sign: whether to show a plus.
    """
    if not math.isfinite(value):
        return UNDEFINED
    value += 0.0  # −0 becomes 0
    plus = "+" if sign else ""
    if 0 < abs(value) < 0.001:
        mantissa, exponent = f"{value:{plus}.{max(places - 2, 0)}e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", "−")
    # Three decimals of 0.912 are worth as much as one of 91.2 milliseconds.
    digits_before = len(str(int(abs(value)))) if abs(value) >= 10 else 0
    return f"{value:{plus},.{places - min(digits_before, 3)}f}".replace("-", "−")


def interval_text(interval: Interval, places: int = USUAL_PLACES) -> str:
    """Both ends of an interval; a dash where it is undefined."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return UNDEFINED
    return f"{number(interval.low, places)} to {number(interval.high, places)}"


def places_to_tell_apart(value: float, limit: float) -> int:
    """Decimals at which a value and its limit look different if they are: a narrow miss must not look like none."""
    if not math.isfinite(value) or not math.isfinite(limit) or value == limit:
        return USUAL_PLACES
    every = range(USUAL_PLACES, MOST_PLACES)
    return next((places for places in every if number(value, places) != number(limit, places)), MOST_PLACES)
