"""The gate's table in words and figures, for ``gate_table.html.j2``."""

import math
from dataclasses import dataclass

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.gate import GateResult, RuleResult

_MOST_PLACES = 9
_STATUS = {True: "pass", False: "fail", None: "none"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class GateRow:
    """One row of the gate's table, as it is shown; ``status`` is that of a badge."""

    rule: str
    measured: str
    interval: str
    limit: str
    status: str
    note: str


def gate_rows(gate: GateResult) -> list[GateRow]:
    """Every rule, in the order of the gate."""
    return [_gate_row(rule) for rule in gate.rules]


def failures(gate: GateResult) -> list[str]:
    """A sentence for every rule that failed: what was measured, what is demanded, by how much it misses."""
    return [_failure(rule) for rule in gate.rules if rule.passed is False]


def number(value: float, places: int = 3, *, sign: bool = False) -> str:
    """A figure as people read it: as many decimals as its size deserves, powers of ten below a thousandth.

    Args:
        value: what to show; a dash where it is not finite.
        places: decimals of a value around 1.
        sign: whether to show a plus.
    """
    if not math.isfinite(value):
        return "–"
    plus = "+" if sign else ""
    if 0 < abs(value) < 0.001:
        mantissa, exponent = f"{value:{plus}.{max(places - 2, 0)}e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", "−")
    # Three decimals of 0.912 are worth as much as one of 91.2 milliseconds.
    digits_before = len(str(int(abs(value)))) if abs(value) >= 10 else 0
    return f"{value:{plus},.{places - min(digits_before, 3)}f}".replace("-", "−")


def interval_text(interval: Interval, places: int = 3) -> str:
    """Both ends of an interval; a dash where it is undefined."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return "–"
    return f"{number(interval.low, places)} to {number(interval.high, places)}"


def _gate_row(rule: RuleResult) -> GateRow:
    places = _places(rule)
    return GateRow(
        rule=rule.rule,
        measured="–" if rule.measured is None else number(rule.measured, places),
        interval=interval_text(rule.interval, places) if rule.interval else "–",
        limit=f"{rule.direction} {number(rule.limit, places)}",
        status=_STATUS[rule.passed],
        note=rule.note,
    )


def _failure(rule: RuleResult) -> str:
    if rule.measured is None:
        return f"{rule.rule}: {rule.note}."
    demanded = f"{rule.direction} {number(rule.limit, _places(rule))} is demanded"
    if math.isnan(rule.measured):
        return f"{rule.rule} could not be computed; {demanded}."
    missed = number(abs(rule.measured - rule.limit))
    return f"{rule.rule} is {number(rule.measured, _places(rule))}; {demanded}, missed by {missed}."


def _places(rule: RuleResult) -> int:
    """Decimals at which the measured value and its limit look different if they are."""
    places = 3
    if rule.measured is None or not math.isfinite(rule.measured) or rule.measured == rule.limit:
        return places
    while places < _MOST_PLACES and number(rule.measured, places) == number(rule.limit, places):
        places += 1
    return places
