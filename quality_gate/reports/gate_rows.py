"""The gate's table in words and figures, for ``gate_table.html.j2``."""

import math
from dataclasses import dataclass

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.gate import GateResult, RuleResult

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
    """The gate's table in words and figures, for ``gate_table.html.j2``."""
    return [_gate_row(rule) for rule in gate.rules]


def _gate_row(rule: RuleResult) -> GateRow:
    places = _places(rule)
    return GateRow(
        rule=rule.rule,
        measured="–" if rule.measured is None else _number(rule.measured, places),
        interval=_interval(rule.interval, places) if rule.interval else "–",
        limit=f"{rule.direction} {_number(rule.limit, places)}",
        status=_STATUS[rule.passed],
        note=rule.note,
    )


def _sentence(rule: RuleResult) -> str:
    if rule.measured is None:
        return rule.shortfall
    places = _places(rule)
    measured, limit = _number(rule.measured, places), _number(rule.limit, places)
    missed = _number(abs(rule.measured - rule.limit), places)
    return f"{rule.rule} is {measured}; {rule.direction} {limit} is demanded, missed by {missed}."


def _places(rule: RuleResult) -> int:
    """Decimals at which the measured value and its limit look different if they are."""
    places = 3
    if rule.measured is None or not math.isfinite(rule.measured) or rule.measured == rule.limit:
        return places
    while places < 9 and _number(rule.measured, places) == _number(rule.limit, places):
        places += 1
    return places


def _number(value: float, places: int = 3, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "–"
    if 0 < abs(value) < 0.001:
        mantissa, exponent = f"{value:{'+' if sign else ''}.1e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", "−")
    # Three decimals of 0.912 are worth as much as one of 91.2 milliseconds.
    places -= min(3, len(str(int(abs(value)))) if abs(value) >= 10 else 0)
    return f"{value:{'+' if sign else ''},.{places}f}".replace("-", "−")


def _interval(interval: Interval, places: int = 3) -> str:
    return f"{_number(interval.low, places)} to {_number(interval.high, places)}"


