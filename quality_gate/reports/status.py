"""The state of a gate: for a person in a terminal, and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quality_gate.evaluation.gate import GateResult, RuleResult
from quality_gate.evaluation.wording import interval_text, number
from quality_gate.tracking import tracking_store

if TYPE_CHECKING:
    from quality_gate.home import Home
    from quality_gate.ledger import Ledger, LedgerEntry

SHOWN_METRICS: tuple[str, ...] = ("macro_f1", "brier", "brier_top1", "ece", "accuracy")
HISTORY_LINES = 10


def status_json(name: str, ledger: Ledger) -> dict[str, Any]:
    """Champion, last verdict of the gate and history as one JSON object.

    ``champion`` and ``last_gate`` are null before there is one.
    """
    champion, judged = ledger.champion(), ledger.last_gate()
    return {
        "name": name,
        "champion": _champion_json(champion) if champion else None,
        "last_gate": {
            **judged.gate,
            "event": judged.event,
            "run": judged.run,
            "report": judged.report,
            "time": judged.time,
        }
        if judged
        else None,
        "history": [
            {
                "time": entry.time,
                "event": entry.event,
                "version": entry.version,
                "run": entry.run,
                "macro_f1": entry.metrics["macro_f1"],
            }
            for entry in ledger.entries()
        ],
    }


def status_text(name: str, ledger: Ledger, home: Home) -> str:
    """Champion, gate table, history and what to do next, for a terminal."""
    champions, judged, entries = ledger.champions(), ledger.last_gate(), ledger.entries()
    parts = []
    if judged:
        result = GateResult.from_json(judged.gate)
        verdict = "passed" if judged.event == "promoted" else "STOPPED the candidate"
        parts.append(f"The gate {verdict} in run {judged.run}\n\n{gate_table(result)}")
        if not result.passed:
            parts.append(f"Why: {result.sentence()}.")
        parts += [f"Warning: {warning}." for warning in result.warnings]
        parts.append(f"Report: {judged.report}")
    parts.append(_champion_text(name, champions[-1]) if champions else f"{name} has no champion yet.")
    if entries:
        parts.append(_history_text(entries))
    parts.append(_next_steps(name, home, champions=len(champions)))
    return "\n\n".join(parts)


def gate_table(result: GateResult) -> str:
    """The gate's table in plain text, a row a rule."""
    rows = [("rule", "measured", "95% interval", "limit", "passed"), *(_row(rule) for rule in result.rules)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _row(rule: RuleResult) -> tuple[str, str, str, str, str]:
    measured = "" if rule.measured is None else number(rule.measured, rule.places)
    interval = interval_text(rule.interval, rule.places) if rule.interval else ""
    passed = "does not apply" if rule.passed is None else "yes" if rule.passed else "NO"
    return rule.rule, measured, interval, rule.demanded, passed


def _champion_json(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "version": entry.version,
        "model": entry.model,
        "classes": entry.classes,
        "metrics": entry.metrics,
        "routing": entry.routing,
        "data_digest": entry.digests["data"],
        "digests": entry.digests,
        "promoted": entry.time,
        "run": entry.run,
        "report": entry.report,
    }


def _champion_text(name: str, entry: LedgerEntry) -> str:
    metrics = ", ".join(f"{metric} {number(entry.metrics[metric])}" for metric in SHOWN_METRICS)
    classes = ", ".join(entry.classes)
    return f"Champion: {name}:{entry.version} ({entry.model}) tells {classes} apart\n  {metrics}\n  {_promise(entry)}"


def _promise(entry: LedgerEntry) -> str:
    routing = entry.routing
    if routing["threshold"] is None:
        return f"every answer goes to review: at most {routing['alpha']:.1%} wrong could not be certified"
    return (
        f"answers from confidence {number(routing['threshold'])} are accepted, {routing['coverage']:.0%} of the "
        f"photos; of these at most {routing['alpha']:.1%} are wrong, with confidence {1 - routing['delta']:.0%}"
    )


def _history_text(entries: list[LedgerEntry]) -> str:
    lines = [
        f"  {entry.time}  {entry.event:<11}  version {entry.version or '-':<4}  "
        f"macro F1 {number(entry.metrics['macro_f1'])}  {entry.run}"
        for entry in entries[-HISTORY_LINES:]
    ]
    return "\n".join(["History:", *lines])


def _mlflow(store: str) -> str:
    """Where MLflow's pages are: a server has them, a database needs one."""
    return store if store.startswith("http") else f"mlflow ui --backend-store-uri {store}"


def _next_steps(name: str, home: Home, *, champions: int) -> str:
    lines = [
        "Next:",
        "  runs, steps and pages   zenml login --local",
        f"  curves and models       {_mlflow(tracking_store(home))}",
    ]
    if champions:
        lines += [
            f"  serve the champion      bentoml serve {name}:latest",
            "  ask it                  curl -F image=@photo.jpg http://127.0.0.1:3000/predict",
        ]
    if champions > 1:
        lines.append(f"  back to the former one  quality-gate rollback --name {name}")
    return "\n".join(lines)
