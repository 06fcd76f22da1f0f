from datetime import date, timedelta

import numpy as np
import pytest

from quality_gate.errors import UserError
from quality_gate.performance.answers import Volume
from quality_gate.performance.periods import performance, weekly_performance
from quality_gate.performance_settings import PerformanceSettings

FIRST = date(2026, 3, 2)
WEEK = timedelta(days=7)
SETTINGS = PerformanceSettings(min_audited=20, min_class_photos=3, resamples=100)


@pytest.fixture
def told(production, classes):
    """The figures of a week of so many photos, of which so many accepted are audited."""

    def figures(photos, share, *, settings=SETTINGS, change=lambda answers, volume: (answers, volume)):
        answers, volume = change(*production.week(photos, share, np.random.default_rng(0)))
        return performance(answers, {FIRST: volume}, classes, settings)

    return figures


def test_a_week_with_enough_labels_has_every_figure(told):
    week = told(4000, 0.02)
    assert week.missing == ""
    assert set(week.scores) == {"accuracy", "macro_f1", "brier", "brier_top1", "ece"}
    assert 0 < week.accepted_error.value < 0.2
    assert all(each.precision and each.recall for each in week.per_class.values())
    assert (week.start, week.end) == (FIRST, FIRST + WEEK)
    assert (week.volume.accepted + week.volume.to_review, week.untold) == (4000, 0)
    assert sum(each.photos for each in week.per_class.values()) == week.audited + week.reviewed


def test_a_week_with_too_few_audited_answers_has_no_figure_and_says_why(told):
    week = told(500, 0.02)
    assert week.missing == (
        f"not enough data: {week.audited} of {week.volume.accepted} accepted answers have a label; "
        "20 are needed of either kind"
    )
    assert week.scores == {}
    assert week.accepted_error is None
    assert all(each.precision is each.recall is None for each in week.per_class.values())


def test_a_backlog_in_the_review_is_not_enough_data_but_the_audit_still_counts(told):
    def without_review(answers, volume):
        return [answer for answer in answers if answer.reason == "audit"], volume

    week = told(4000, 0.02, change=without_review)
    assert week.missing.startswith(f"not enough data: 0 of {week.volume.to_review:,} answers sent to review have")
    assert week.scores == {}
    assert week.accepted_error is not None


def test_of_few_answers_all_are_enough(told, make_answer):
    def few(answers, volume):
        return [make_answer("onion", [0, 1, 0, 0]) for _ in range(5)], Volume(5, 0)

    week = told(1, 1.0, change=few)
    assert week.missing == ""
    assert week.per_class["onion"].precision.value == 1
    assert week.per_class["noise"].precision is None
    assert "macro_f1" not in week.scores


def test_a_class_with_a_handful_of_audited_photos_has_no_figure(told):
    week = told(4000, 0.02, settings=SETTINGS.model_copy(update={"min_class_photos": 15}))
    assert week.per_class["tomato"].precision is not None
    assert week.per_class["noise"].precision is None
    assert week.per_class["noise"].photos > 15  # most of them not audited, but sent to review
    assert "macro_f1" not in week.scores
    assert "accuracy" in week.scores


def test_where_everything_goes_to_review_the_reviewed_answers_are_all_there_is(told, production):
    week = told(300, 0.5, change=lambda answers, volume: (
        [answer for answer in answers if answer.reason == "review"], Volume(0, volume.to_review)
    ))  # fmt: skip
    assert week.missing == ""
    assert week.accepted_error is None
    assert "macro_f1" in week.scores


def test_nothing_labelled_is_not_enough_data(told, make_answer):
    week = told(9, 0.1, change=lambda answers, volume: ([make_answer(None, [0, 1, 0, 0])] * 7, volume))
    assert week.missing == "not enough data: no answer has a label"
    assert week.untold == 7


def test_weeks_come_in_order_each_with_its_own_answers_and_volume(production, classes):
    rng = np.random.default_rng(1)
    starts = [FIRST, FIRST + 3 * WEEK, FIRST + WEEK]
    midnight = {start: production.week(1, 1.0, rng)[0][0].time + (start - FIRST) for start in starts}
    weeks = {start: production.week(2000, 0.05, rng, start=midnight[start]) for start in starts}
    answers = [answer for found, _ in weeks.values() for answer in found]
    volumes = {start: volume for start, (_, volume) in weeks.items()}
    found = weekly_performance(answers, volumes, classes, SETTINGS)
    assert [week.start for week in found] == sorted(starts)
    for week in found:
        alone = performance(weeks[week.start][0], {week.start: volumes[week.start]}, classes, SETTINGS)
        assert week.scores["accuracy"] == alone.scores["accuracy"]


def test_a_week_without_a_labelled_answer_is_told_too(classes):
    found = weekly_performance([], {FIRST: Volume(10, 1)}, classes, SETTINGS)
    assert [week.missing for week in found] == ["not enough data: no answer has a label"]


def test_answers_of_two_models_are_never_mixed(make_answer, classes):
    answers = [make_answer("onion", [0, 1, 0, 0], version=version) for version in ("1", "2")]
    with pytest.raises(ValueError, match="of one model"):
        performance(answers, {FIRST: Volume(2, 0)}, classes, SETTINGS)


def test_a_period_has_a_week_at_least(classes):
    with pytest.raises(ValueError, match="one week or more"):
        performance([], {}, classes, SETTINGS)


def test_a_label_that_is_no_class_stops_with_a_sentence(make_answer, classes):
    with pytest.raises(UserError, match="'onoin'"):
        performance([make_answer("onoin", [0, 1, 0, 0])], {FIRST: Volume(1, 0)}, classes, SETTINGS)
