import numpy as np
import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.evaluation.scores import Scores
from quality_gate.performance.calibration_drift import calibration_drift
from quality_gate.performance.estimates import Estimate


@pytest.fixture
def champion(classes):
    metrics = compute_metrics(np.arange(4), np.full((4, 4), 0.1) + 0.6 * np.eye(4), classes)
    return Scores(metrics, dict.fromkeys(("ece", "brier", "brier_top1"), Interval(0.1, 0.35)))


@pytest.mark.parametrize(("low", "is_worse"), [(0.36, True), (0.35, False), (0.2, False)])
def test_calibration_is_worse_when_its_interval_lies_above_that_of_the_test(champion, low, is_worse):
    (row,) = calibration_drift({"ece": Estimate(0.4, Interval(low, 0.5)), "accuracy": None}, champion)
    assert row.is_worse is is_worse
    assert (row.score, row.test) == ("ece", pytest.approx(0.3))


def test_without_enough_data_nothing_is_compared(champion):
    assert calibration_drift({}, champion) == ()
