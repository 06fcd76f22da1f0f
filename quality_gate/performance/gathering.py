"""What the prediction log and the reviews know of a champion in production."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.metrics import Metrics
from quality_gate.evaluation.scores import Scores
from quality_gate.ledger import LedgerEntry
from quality_gate.monitoring.log_settings import log_database
from quality_gate.performance.answers import InspectedAnswer, Volume
from quality_gate.performance.periods import NO_VOLUME
from quality_gate.performance.report import PerformanceReport, performance_report
from quality_gate.performance_settings import PerformanceSettings

if TYPE_CHECKING:
    from quality_gate.monitoring.prediction import Prediction
    from quality_gate.review.verdict import Review

# What the gate calls the scores of calibration in its table, which the ledger keeps.
_RULES: Mapping[str, str] = {"brier": "Brier score", "ece": "expected calibration error"}


def champion_report(champion: LedgerEntry, settings: PerformanceSettings) -> PerformanceReport:
    """All that reviewed answers say of a champion in production.

    Args:
        champion: of the gate that the settings name.
        settings: what is enough.

    Raises:
        UserError: the prediction log cannot be used, a label is no class, or an answer is of a model of other classes.
    """
    assert champion.version is not None
    answers, volumes = read_production(settings.name, champion.version)
    certified = champion.routing.get("threshold") is not None
    return performance_report(
        answers,
        volumes,
        settings,
        gate=settings.name,
        model_version=champion.version,
        classes=champion.classes,
        alpha=champion.routing["alpha"] if certified else None,
        tested=scores_on_test(champion),
    )


def read_production(gate: str, model_version: str) -> tuple[list[InspectedAnswer], dict[date, Volume]]:
    """Read the answers of a model that went to a person, and how many it gave in each week.

    Args:
        gate: name of the gate.
        model_version: of the model in the registry.

    Returns:
        The answers, the newest first, and the volumes by the Monday of their week in UTC.

    Raises:
        UserError: the prediction log cannot be used.
    """
    from quality_gate.monitoring.prediction_log import PredictionLog, Window
    from quality_gate.review.reading import Reviews

    with log_database() as database:
        window = Window(gate=gate, model_version=model_version)
        days = PredictionLog(database).count_by_day(window)
        answers = [inspected(answer, reviews) for answer, reviews in Reviews(database, gate).answers(window)]
    volumes: defaultdict[date, Volume] = defaultdict(lambda: NO_VOLUME)
    for (day, decision), count in days.items():
        added = Volume(count, 0) if decision == "accept" else Volume(0, count)
        volumes[day - timedelta(days=day.weekday())] += added
    return answers, dict(volumes)


def inspected(prediction: Prediction, reviews: Sequence[Review]) -> InspectedAnswer:
    """An answer with what people said of its photo.

    Of several the first counts: an alarm that may be looked at any time rests on labels that later ones do not rewrite.

    Args:
        prediction: an answer that went to a person.
        reviews: of its photo, the latest of each reviewer, oldest first.
    """
    first = next((review for review in reviews if review.label is not None), None)
    assert prediction.review_reason is not None
    return InspectedAnswer(
        id=str(prediction.id),
        time=prediction.time,
        model_version=prediction.model_version,
        label=prediction.label,
        probabilities=prediction.probabilities,
        reason=prediction.review_reason,
        share=prediction.review_share or 1.0,
        true_label=first.label if first else None,
        reviewed_at=first.time if first else None,
    )


def scores_on_test(champion: LedgerEntry) -> Scores:
    """The champion on its test photos, as the ledger has it: intervals only of the scores of calibration."""
    rules = {rule["rule"]: rule["interval"] for rule in champion.gate["rules"]}
    found = {score: rules.get(rule) for score, rule in _RULES.items()}
    intervals = {score: Interval.from_json(interval) for score, interval in found.items() if interval}
    return Scores(Metrics.from_json(champion.metrics), intervals)
