"""The gate's table in words and figures, for ``gate_table.html.j2``."""

from dataclasses import dataclass

from quality_gate.evaluation.gate import GateResult, RuleResult
from quality_gate.evaluation.wording import UNDEFINED, interval_text, number

_STATUS = {True: "pass", False: "fail", None: "none"}


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
    """Every rule, in the order of the gate, then every warning."""
    return [*(_gate_row(rule) for rule in gate.rules), *(_warning_row(warning) for warning in gate.warnings)]


def failures(gate: GateResult) -> list[str]:
    """A sentence for every rule that failed: what was measured, what is demanded, by how much it misses."""
    return [f"{rule.shortfall}." for rule in gate.rules if rule.passed is False]


def _warning_row(warning: str) -> GateRow:
    return GateRow(f"{warning}.", UNDEFINED, UNDEFINED, UNDEFINED, "warn", "")


def _gate_row(rule: RuleResult) -> GateRow:
    return GateRow(
        rule=rule.rule,
        measured=UNDEFINED if rule.measured is None else number(rule.measured, rule.places),
        interval=interval_text(rule.interval, rule.places) if rule.interval else UNDEFINED,
        limit=rule.demanded,
        status=_STATUS[rule.passed],
        note=rule.note,
    )
