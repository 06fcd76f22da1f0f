import re
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.performance.accepted_errors import AcceptedErrors, Power
from quality_gate.performance.answers import Volume
from quality_gate.performance.calibration_drift import CalibrationDrift
from quality_gate.performance.estimates import Estimate
from quality_gate.performance.periods import ClassPerformance, Performance
from quality_gate.performance.report import ConfidenceBin, PerformanceReport
from quality_gate.reports.performance_figures import confidence_bins_figure, evidence_figure, weeks_figure
from quality_gate.reports.performance_page import performance_page, verdict

FIRST = date(2026, 3, 2)
NINETY = Estimate(0.9, Interval(0.85, 0.94))
MISSING = "not enough data: 5 of 365 accepted answers have a label; 30 are needed of either kind"


def week(number=0, *, error=0.02, missing=""):
    start = FIRST + timedelta(days=7 * number)
    return Performance(
        start, start + timedelta(days=7), Volume(900, 100), audited=40, reviewed=100, untold=3,
        scores={} if missing else {"accuracy": NINETY, "macro_f1": NINETY},
        accepted_error=None if missing else Estimate(error, Interval(error / 2, error * 2)),
        per_class={
            "<onion>": ClassPerformance(NINETY, None, 50, 40), "potato": ClassPerformance(NINETY, NINETY, 90, 100)
        },
        missing=missing,
    )  # fmt: skip


def errors(evidence=(0.5, -0.2, 0.1), wrong=(True, False, True)):
    times = tuple(datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in range(len(evidence)))
    return AcceptedErrors("7", 0.05, 0.01, times, np.array(wrong, dtype=bool), np.array(evidence))


def report(**changes):
    weeks = changes.pop("weeks", (week(0), week(1)))
    usual = {
        "gate": "produce", "model_version": "7", "classes": ("<onion>", "potato"), "weeks": weeks,
        "whole": weeks[0] if weeks else None, "accepted_errors": errors(), "noticed": Power(0.1, 252, 499),
        "calibration": (CalibrationDrift("ece", Estimate(0.02, Interval(0.0, 0.04)), 0.03, Interval(0.01, 0.05)),),
        "confidence": (ConfidenceBin(0.95, NINETY, 900.0),),
    }  # fmt: skip
    return PerformanceReport(**usual | changes)


BROKEN = errors([1.0, 5.0], [True, True])
WORSE = (CalibrationDrift("brier", Estimate(0.3, Interval(0.2, 0.4)), 0.05, Interval(0.04, 0.06)),)


def test_what_is_missing_is_a_sentence():
    found = verdict(report(weeks=(week(missing="not enough data: no answer has a label"),)))
    assert found.detail == "No answer has a label."


@pytest.mark.parametrize(
    ("changes", "status", "headline"),
    [
        ({}, "pass", "Nothing speaks against the promise of the certificate."),
        ({"accepted_errors": BROKEN}, "fail", "Accepted answers are more often wrong than the certificate promised."),
        ({"calibration": WORSE}, "warn", "Answers and their confidence are worse than on the test photos."),
        ({"weeks": (week(missing=MISSING),)}, "none", "Nothing can be said yet of all answers."),
        ({"weeks": ()}, "none", "The model has not answered yet."),
        (
            {"accepted_errors": None, "noticed": None},
            "none",
            "The model promised nothing: every answer goes to review.",
        ),
    ],
)
def test_the_page_opens_with_what_is_so(changes, status, headline):
    found = verdict(report(**changes))
    assert (found.status, found.headline) == (status, headline)
    assert headline in performance_page(report(**changes))


def test_a_broken_promise_outweighs_missing_data_and_calibration():
    weeks = (week(missing=MISSING),)
    assert verdict(report(weeks=weeks, accepted_errors=BROKEN, calibration=WORSE)).status == "fail"


def test_the_alarm_says_after_how_many_answers_and_how_often_it_errs():
    detail = verdict(report(accepted_errors=BROKEN)).detail
    assert "raised after 2 audited answers" in detail
    assert "at most 0.01" in detail


def rows(page):
    text = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL)]
    return [[cell.strip() for cell in row.split("|") if cell.strip()] for row in text]


def test_every_week_has_its_row_and_says_where_there_is_not_enough_data():
    page = performance_page(report(weeks=(week(0), week(1, missing=MISSING))))
    share = "90.0% (85.0 to 94.0)"
    expected = ["2026-03-02", "1,000", "90.0%", "40", share, "0.900 (0.850 to 0.940)", "2.0% (1.0 to 4.0)"]
    assert expected in rows(page)
    assert ["2026-03-09", "1,000", "90.0%", "40", MISSING, "–"] in rows(page)


def test_a_week_that_clearly_breaks_the_promise_is_marked():
    page = performance_page(report(weeks=(week(0), week(1, error=0.2))))
    assert re.findall(r'<tr class="warn"><td class="tight">(.*?)<', page) == ["2026-03-09"]


def test_classes_are_text_and_have_a_dash_where_there_are_too_few_photos():
    assert ["&lt;onion&gt;", "90.0% (85.0 to 94.0)", "–", "50", "40"] in rows(performance_page(report()))


def test_calibration_stands_beside_that_of_the_test():
    page = performance_page(report(calibration=WORSE))
    row = ["Brier score, multi-class", "0.300 (0.200 to 0.400)", "0.050 (0.040 to 0.060)", "!", "worse"]
    assert row in rows(page)


def test_the_page_says_how_soon_a_broken_promise_is_noticed():
    assert "noticed after 252 audited answers in half of all cases, after 499 in nine of ten" in performance_page(
        report()
    )
    assert "thousands of audited answers" in performance_page(report(noticed=Power(0.1, None, None)))


def test_the_page_runs_no_script_and_loads_nothing():
    page = performance_page(report())
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_a_week_without_data_leaves_a_gap_in_the_line():
    (axes,) = weeks_figure((week(0), week(1, missing=MISSING), week(2)), 0.05).axes
    accuracy = axes.containers[0].lines[0]
    np.testing.assert_allclose(accuracy.get_ydata(), [0.9, np.nan, 0.9])
    right = axes.containers[2].lines[0]
    np.testing.assert_allclose(right.get_ydata(), [0.98, np.nan, 0.98])


def test_the_evidence_shows_every_error_and_the_line_of_the_alarm():
    (axes,) = evidence_figure(errors()).axes
    evidence, wrong, line = axes.lines
    np.testing.assert_allclose(evidence.get_ydata(), np.array([0, 0.5, -0.2, 0.1]) / np.log(10))
    assert wrong.get_xdata().tolist() == [1, 3]
    assert line.get_ydata()[0] == pytest.approx(2)


def test_the_evidence_marks_where_the_alarm_was_raised():
    (axes,) = evidence_figure(BROKEN).axes
    assert axes.lines[-1].get_label() == "raised after 2"


def test_each_confidence_has_its_share_of_right_answers():
    (axes,) = confidence_bins_figure(report().confidence).axes
    assert axes.containers[0].lines[0].get_xydata().tolist() == [[0.95, 0.9]]
