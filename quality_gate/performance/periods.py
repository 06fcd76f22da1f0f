"""Figures of production week by week, and where there is not enough data for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from quality_gate.performance.answers import InspectedAnswer, Volume, check_answers, check_labels
from quality_gate.performance.estimates import Estimate, Estimates, estimate
from quality_gate.performance_settings import PerformanceSettings

NO_VOLUME = Volume(0, 0)


@dataclass(frozen=True)
class ClassPerformance:
    """One class in a period.

    Attributes:
        precision: of all answers with the class; None where there is not enough data.
        recall: of all photos of the class; None likewise.
        answered: labelled answers with the class.
        photos: labelled photos of the class.
    """

    precision: Estimate | None
    recall: Estimate | None
    answered: int
    photos: int


@dataclass(frozen=True)
class Performance:
    """How good the answers of one model were in a period.

    Attributes:
        start: first day, in UTC.
        end: the day after the last.
        volume: answers the service gave.
        audited: accepted answers with a label.
        reviewed: answers sent to review with a label.
        untold: answers that went to a person and have no label: not looked at yet, or not to be told.
        scores: accuracy, macro_f1, brier, brier_top1 and ece by name; those without enough data are left out.
        accepted_error: share of wrong answers among the accepted; None where there is not enough data.
        per_class: by name, in the order of the classes.
        missing: why there is not enough data for ``scores``; '' where there is.
    """

    start: date
    end: date
    volume: Volume
    audited: int
    reviewed: int
    untold: int
    scores: dict[str, Estimate]
    accepted_error: Estimate | None
    per_class: dict[str, ClassPerformance]
    missing: str


def weekly_performance(
    answers: Sequence[InspectedAnswer],
    volumes: Mapping[date, Volume],
    classes: Sequence[str],
    settings: PerformanceSettings,
) -> tuple[Performance, ...]:
    """The figures of every week in which a model answered, the first one first.

    Args:
        answers: that went to a person, of one model; in any order.
        volumes: answers that the model gave in each week, by its Monday in UTC.
        classes: of the model.
        settings: what is enough.

    Raises:
        UserError: a label is no class, or an answer is of a model of other classes.
        ValueError: the answers are of several models.
    """
    by_week: dict[date, list[InspectedAnswer]] = {week: [] for week in volumes}
    for answer in answers:
        by_week.setdefault(answer.week, []).append(answer)
    return tuple(
        performance(by_week[week], {week: volumes.get(week, NO_VOLUME)}, classes, settings) for week in sorted(by_week)
    )


def performance(
    answers: Sequence[InspectedAnswer],
    volumes: Mapping[date, Volume],
    classes: Sequence[str],
    settings: PerformanceSettings,
) -> Performance:
    """The figures of some weeks taken together.

    Args:
        answers: that went to a person in these weeks, of one model.
        volumes: answers that the model gave in each week, by its Monday in UTC; one week or more.
        classes: of the model.
        settings: what is enough.

    Raises:
        UserError: a label is no class, or an answer is of a model of other classes.
        ValueError: there is no week, or the answers are of several models.
    """
    if not volumes:
        raise ValueError("volumes: expected one week or more")
    if len({answer.model_version for answer in answers}) > 1:
        raise ValueError("answers: expected those of one model")
    check_answers(answers, classes)
    check_labels(answers, classes)
    volume = sum(volumes.values(), NO_VOLUME)
    labelled = [answer for answer in answers if answer.true_label is not None]
    audited = sum(answer.reason == "audit" for answer in labelled)
    missing = _missing(audited, len(labelled) - audited, volume, settings.min_audited)
    found = None
    if labelled:
        found = estimate(labelled, volume, classes, resamples=settings.resamples, seed=settings.seed)
    per_class = _per_class(None if missing else found, labelled, volume, classes, settings.min_class_photos)
    scores = dict(found.scores) if found and not missing else {}
    if any(each.precision is None or each.recall is None for each in per_class.values()):
        scores.pop("macro_f1", None)
    return Performance(
        start=min(volumes),
        end=max(volumes) + timedelta(days=7),
        volume=volume,
        audited=audited,
        reviewed=len(labelled) - audited,
        untold=len(answers) - len(labelled),
        scores=scores,
        accepted_error=found.accepted_error
        if found and audited >= min(settings.min_audited, volume.accepted)
        else None,
        per_class=per_class,
        missing=missing,
    )


def _missing(audited: int, reviewed: int, volume: Volume, least: int) -> str:
    """Which labels are too few; '' where none are."""
    if not audited + reviewed:
        return "not enough data: no answer has a label"
    lacking = [
        f"{count} of {of:,} {kind} have a label"
        for count, of, kind in (
            (audited, volume.accepted, "accepted answers"),
            (reviewed, volume.to_review, "answers sent to review"),
        )
        if count < min(least, of)
    ]
    return f"not enough data: {' and '.join(lacking)}; {least} are needed of either kind" if lacking else ""


def _per_class(
    found: Estimates | None,
    labelled: Sequence[InspectedAnswer],
    volume: Volume,
    classes: Sequence[str],
    least: int,
) -> dict[str, ClassPerformance]:
    # Each audited answer stands for many: a handful of them decides, however many were sent to review.
    deciding = [answer for answer in labelled if answer.reason == "audit" or not volume.accepted]
    figures = {}
    for place, name in enumerate(classes):
        is_precise = found is not None and sum(answer.label == name for answer in deciding) >= least
        is_known = found is not None and sum(answer.true_label == name for answer in deciding) >= least
        figures[name] = ClassPerformance(
            precision=found.precision[place] if found and is_precise else None,
            recall=found.recall[place] if found and is_known else None,
            answered=sum(answer.label == name for answer in labelled),
            photos=sum(answer.true_label == name for answer in labelled),
        )
    return figures
