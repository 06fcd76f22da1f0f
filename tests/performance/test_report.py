from datetime import date, timedelta

import numpy as np
import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.evaluation.scores import Scores
from quality_gate.performance.answers import Volume
from quality_gate.performance.report import confidence_bins, performance_report
from quality_gate.performance_settings import PerformanceSettings

FIRST = date(2026, 3, 2)
SETTINGS = PerformanceSettings(resamples=100)


@pytest.fixture
def report(production, classes):
    """Makes the report of two weeks of one model, after a week of another."""

    def make(*, alpha=0.05, tested=None, answers=None, volumes=None):
        rng = np.random.default_rng(0)
        told, given = [], {}
        for number, version in enumerate(("6", "7", "7")):
            start = FIRST + timedelta(days=7 * number)
            time = production.week(1, 1.0, rng)[0][0].time + (start - FIRST)
            found, volume = production.week(3000, 0.03, rng, start=time, version=version)
            told += found
            if version == "7":
                given[start] = volume
        return performance_report(
            told if answers is None else answers, given if volumes is None else volumes, SETTINGS, gate="produce",
            model_version="7", classes=classes, alpha=alpha, tested=tested,
        )  # fmt: skip

    return make


def test_only_the_answers_of_the_model_count(report):
    made = report()
    assert [week.start for week in made.weeks] == [FIRST + timedelta(days=7), FIRST + timedelta(days=14)]
    assert made.whole.audited == sum(week.audited for week in made.weeks) == len(made.accepted_errors.wrong)
    assert made.whole.volume == made.weeks[0].volume + made.weeks[1].volume


def test_it_says_how_soon_twice_the_promised_errors_are_noticed(report):
    assert report().noticed.error_rate == 0.1
    assert 100 < report().noticed.half < 300


def test_without_a_certificate_there_is_no_promise_to_break(report):
    made = report(alpha=None)
    assert made.accepted_errors is made.noticed is None
    assert not made.promise_is_broken


def test_a_model_that_errs_far_more_often_breaks_its_promise(report):
    assert report(alpha=0.001).promise_is_broken


def test_calibration_is_held_against_the_test(report, classes):
    metrics = compute_metrics(np.arange(4), np.full((4, 4), 0.1) + 0.6 * np.eye(4), classes)
    made = report(tested=Scores(metrics, dict.fromkeys(("ece", "brier", "brier_top1"), Interval(0.0, 0.001))))
    assert [row.score for row in made.calibration if row.is_worse] == ["brier", "brier_top1"]


def test_a_model_that_has_not_answered_has_no_figures(report):
    made = report(answers=[], volumes={})
    assert made.whole is None
    assert made.weeks == made.confidence == made.calibration == ()


def test_answers_of_a_confidence_count_by_their_weights(make_answer):
    sure = [0.0, 0.96, 0.04, 0.0]
    answers = [make_answer("onion", sure), make_answer("potato", sure), make_answer(None, sure)]
    answers += [make_answer("onion", [0.1, 0.55, 0.25, 0.1], accepted=False)]
    unsure, surest = confidence_bins(answers, Volume(accepted=100, to_review=1))
    assert (unsure.confidence, unsure.right.value, unsure.answers) == (0.55, 1.0, 1.0)
    assert (surest.confidence, surest.right.value, surest.answers) == (pytest.approx(0.96), 0.5, 100.0)
    assert surest.right.interval.low < 0.1
