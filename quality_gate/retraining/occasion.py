"""What is known when it is decided whether to train a gate's champion anew."""

from __future__ import annotations

import json
from datetime import datetime

from quality_gate.home import Home
from quality_gate.ledger import Ledger, LedgerEntry
from quality_gate.monitoring.log_settings import log_database
from quality_gate.performance.gathering import champion_report
from quality_gate.performance_settings import PerformanceSettings
from quality_gate.retraining.triggers import RetrainingState


def retraining_state(home: Home, champion: LedgerEntry, performance: PerformanceSettings) -> RetrainingState:
    """Look up what a decision on training anew rests on.

    Args:
        home: where ledgers and drift runs lie.
        champion: of the gate that ``performance`` names.
        performance: when production is an alarm.

    Raises:
        UserError: the prediction log cannot be used, or holds labels that are no class.
    """
    gate = performance.name
    entries = Ledger(home.registry(gate)).entries()
    trained = next(one.time for one in entries if (one.event, one.version) == ("promoted", champion.version))
    attempted = max(one.time for one in entries if one.event in ("promoted", "refused"))
    report = champion_report(champion, performance)
    precision = report.whole.per_class if report.whole else {}
    macro_f1 = report.whole.scores.get("macro_f1") if report.whole else None
    return RetrainingState(
        now=datetime.now(),
        last_training=_local(trained),
        last_attempt=_local(attempted),
        drift_alarm=_drift_alarm(home, gate, str(champion.version)),
        promise_is_broken=report.promise_is_broken,
        new_reviewed_photos=_reviewed_since(gate, datetime.fromisoformat(trained)),
        macro_f1=macro_f1.interval if macro_f1 else None,
        class_precision={name: one.precision.interval for name, one in precision.items() if one.precision is not None},
    )


def _local(time: str) -> datetime:
    return datetime.fromisoformat(time).astimezone().replace(tzinfo=None)


def _drift_alarm(home: Home, gate: str, version: str) -> str:
    """What the newest window of the champion raised; '' where it raised nothing, or there is none."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in home.drift(gate).glob("*/drift.json")]
    of_champion = [one for one in reports if one["model_version"] == version and one["verdict"] != "not_enough_data"]
    newest = max(of_champion, key=lambda one: str(one["last"]), default=None)
    if newest is None or newest["verdict"] != "alarm":
        return ""
    return " and ".join(group["name"] for group in newest["groups"] if group["drifted"])


def _reviewed_since(gate: str, time: datetime) -> int:
    """Photos to which somebody first gave a class after a time."""
    from quality_gate.review.reading import Reviews

    with log_database() as database:
        reviews = Reviews(database, gate).by_photo()
    labelled = ([one.time for one in given if one.label is not None] for given in reviews.values())
    return sum(bool(times) and min(times) > time for times in labelled)
