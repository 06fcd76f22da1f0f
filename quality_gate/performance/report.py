"""All that reviewed answers say of one model in production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from quality_gate.evaluation.bootstrap import recall_interval
from quality_gate.evaluation.metric_sampler import ECE_BINS, bin_of
from quality_gate.evaluation.scores import Scores
from quality_gate.performance.accepted_errors import AcceptedErrors, Power, accepted_errors, power
from quality_gate.performance.answers import InspectedAnswer, Volume
from quality_gate.performance.calibration_drift import CalibrationDrift, calibration_drift
from quality_gate.performance.estimates import Estimate, answer_weights
from quality_gate.performance.periods import NO_VOLUME, Performance, performance, weekly_performance
from quality_gate.performance_settings import PerformanceSettings
from quality_gate.step_value import StepValue


@dataclass(frozen=True)
class ConfidenceBin:
    """Answers of about one confidence.

    Attributes:
        confidence: mean of them, in 0..1.
        right: share of them that is right.
        answers: how many were given.
    """

    confidence: float
    right: Estimate
    answers: float


@dataclass(frozen=True)
class PerformanceReport(StepValue):
    """One model in production, from its first answer on.

    Attributes:
        gate: name of the gate.
        model_version: of the model in the registry.
        classes: of the model.
        weeks: every week in which it answered.
        whole: all weeks together; None where it has not answered yet.
        accepted_errors: whether accepted answers keep the promise of its certificate; None where it has none.
        noticed: how soon twice the promised errors are noticed; None likewise.
        calibration: against the test, of all weeks together; empty where there is not enough data or no test.
        confidence: how often answers of about one confidence are right; empty likewise.
    """

    gate: str
    model_version: str
    classes: tuple[str, ...]
    weeks: tuple[Performance, ...]
    whole: Performance | None
    accepted_errors: AcceptedErrors | None
    noticed: Power | None
    calibration: tuple[CalibrationDrift, ...]
    confidence: tuple[ConfidenceBin, ...]

    @property
    def promise_is_broken(self) -> bool:
        """Whether the alarm was raised."""
        return self.accepted_errors is not None and self.accepted_errors.raised_after is not None


def performance_report(
    answers: Sequence[InspectedAnswer],
    volumes: Mapping[date, Volume],
    settings: PerformanceSettings,
    *,
    gate: str,
    model_version: str,
    classes: Sequence[str],
    alpha: float | None,
    tested: Scores | None,
) -> PerformanceReport:
    """Work out everything.

    Args:
        answers: that went to a person, of any models.
        volumes: answers that this model gave in each week, by its Monday in UTC.
        settings: what is enough.
        gate: name of the gate.
        model_version: of the model that is told of.
        classes: of the model.
        alpha: the promise of its certificate; None where nothing is accepted unseen.
        tested: the model on its test photos; None where that is not known.

    Raises:
        UserError: a label is no class, or an answer is of a model of other classes.
    """
    own = [answer for answer in answers if answer.model_version == model_version]
    weeks = weekly_performance(own, volumes, classes, settings)
    every = {week.start: volumes.get(week.start, NO_VOLUME) for week in weeks}
    whole = performance(own, every, classes, settings) if weeks else None
    watched = noticed = None
    if alpha is not None:
        rate = settings.false_alarm_rate
        watched = accepted_errors(own, model_version, alpha=alpha, false_alarm_rate=rate)
        noticed = power(alpha, rate, min(2 * alpha, 1.0))
    return PerformanceReport(
        gate=gate,
        model_version=model_version,
        classes=tuple(classes),
        weeks=weeks,
        whole=whole,
        accepted_errors=watched,
        noticed=noticed,
        calibration=calibration_drift(whole.scores, tested) if whole and tested else (),
        confidence=confidence_bins(own, whole.volume) if whole and not whole.missing else (),
    )


def confidence_bins(answers: Sequence[InspectedAnswer], volume: Volume) -> tuple[ConfidenceBin, ...]:
    """How often answers of about one confidence are right, in ten equally wide bins; those without a label left out.

    Args:
        answers: of one model; those without a label say nothing.
        volume: how many answers the service gave.
    """
    labelled = [answer for answer in answers if answer.true_label is not None]
    weights = answer_weights(labelled, volume)
    confidence = np.array([answer.probabilities[answer.label] for answer in labelled])
    right = np.array([answer.is_right for answer in labelled])
    places = bin_of(confidence, ECE_BINS)
    bins = []
    for place in np.unique(places):
        inside = places == place
        share = float(np.average(right[inside], weights=weights[inside]))
        bins.append(
            ConfidenceBin(
                confidence=float(np.average(confidence[inside], weights=weights[inside])),
                right=Estimate(share, recall_interval(share, weights[inside])),
                answers=float(weights[inside].sum()),
            )
        )
    return tuple(bins)
