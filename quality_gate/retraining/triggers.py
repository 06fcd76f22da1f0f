"""Whether it is time to train anew, and why: a decision on what is known, without looking anything up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.retraining_settings import TriggerSettings
from quality_gate.schedules.calendar import Calendar


@dataclass(frozen=True)
class RetrainingState:
    """What is known of the champion and of what has happened since.

    Attributes:
        now: local time, without a time zone as of all times here.
        last_training: when the champion was trained.
        last_attempt: when anyone last tried to train, whether or not the gate let it pass; not before the training.
        drift_alarm: what the last window of the drift pipeline raised, in words; '' for nothing.
        promise_is_broken: whether the alarm on accepted answers was raised for the champion.
        new_reviewed_photos: photos with a label that came after the last training.
        macro_f1: 95% interval of macro F1 in production; None where there is not enough data.
        class_precision: 95% interval of the precision in production of each class that has one.
    """

    now: datetime
    last_training: datetime
    last_attempt: datetime
    drift_alarm: str
    promise_is_broken: bool
    new_reviewed_photos: int
    macro_f1: Interval | None
    class_precision: Mapping[str, Interval]


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to train anew.

    Attributes:
        reasons: what speaks for it, in words.
        resting_until: until when nothing is started all the same; None where nothing holds it back.
    """

    reasons: tuple[str, ...]
    resting_until: datetime | None

    @property
    def retrain(self) -> bool:
        """Whether to train anew now."""
        return bool(self.reasons) and self.resting_until is None

    def sentence(self) -> str:
        """The decision in one line."""
        if not self.reasons:
            return "No reason to train anew."
        why = "; ".join(self.reasons)
        if self.resting_until is not None:
            return f"Not before {self.resting_until:%Y-%m-%d %H:%M} (rest_days), though there is reason: {why}."
        return f"Train anew: {why}."


def decide(state: RetrainingState, settings: TriggerSettings) -> RetrainingDecision:
    """Weigh what is known against the settings."""
    reasons = tuple(_reasons(state, settings))
    rested = state.last_attempt + timedelta(days=settings.rest_days)
    return RetrainingDecision(reasons, rested if reasons and rested > state.now else None)


def _reasons(state: RetrainingState, settings: TriggerSettings) -> list[str]:
    reasons = []
    if settings.on_drift_alarm and state.drift_alarm:
        reasons.append(f"drift ({state.drift_alarm})")
    if settings.on_broken_promise and state.promise_is_broken:
        reasons.append("accepted answers are more often wrong than the certificate promised")
    enough = settings.new_reviewed_photos
    if enough is not None and state.new_reviewed_photos >= enough:
        reasons.append(f"{state.new_reviewed_photos:,} reviewed photos are new (new_reviewed_photos: {enough:,})")
    lowest = settings.min_macro_f1
    if lowest is not None and state.macro_f1 is not None and state.macro_f1.high < lowest:
        reasons.append(f"macro F1 is below {lowest:.3g} ({_interval(state.macro_f1)})")
    floor = settings.min_class_precision
    if floor is not None:
        reasons += [
            f"the precision of {name} is below {floor:.3g} ({_interval(interval)})"
            for name, interval in state.class_precision.items()
            if interval.high < floor
        ]
    if settings.every is not None:
        due = Calendar.parse(settings.every).last_due(state.now)
        if state.last_attempt < due:
            reasons.append(
                f"it was due on {due:%Y-%m-%d} ({settings.every}), trained last on {state.last_training:%Y-%m-%d}"
            )
    return reasons


def _interval(interval: Interval) -> str:
    return f"95% interval {interval.low:.3f} to {interval.high:.3f}"
