"""How often the intervals hold the truth of a production that is known."""

from dataclasses import replace

import numpy as np
import pytest

from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.performance.answers import monday
from quality_gate.performance.periods import performance
from quality_gate.performance_settings import PerformanceSettings

pytestmark = pytest.mark.slow

WEEKS = 300
SETTINGS = PerformanceSettings(resamples=400)
# Three standard errors of a coverage of 0.95 in so many weeks, and in those of a class, which has figures less often.
SCATTER = 0.038


def truths(production, classes):
    labels, probabilities = production.draw(400_000, np.random.default_rng(10))
    metrics = compute_metrics(labels, probabilities, classes)
    accepted = probabilities.max(axis=1) >= production.threshold
    wrong = float((probabilities.argmax(axis=1) != labels)[accepted].mean())
    per_class = {f"precision {name}": each.precision for name, each in metrics.per_class.items()}
    per_class |= {f"recall {name}": each.recall for name, each in metrics.per_class.items()}
    return {**metrics.scalars(), **per_class, "accepted_error": wrong}


def figures(week):
    """Every figure of a week that there is, by name."""
    found = dict(week.scores)
    if week.accepted_error:
        found["accepted_error"] = week.accepted_error
    for name, each in week.per_class.items():
        found |= {f"{kind} {name}": getattr(each, kind) for kind in ("precision", "recall") if getattr(each, kind)}
    return found


@pytest.mark.parametrize(
    ("changes", "photos", "share"),
    [
        ({}, 5000, 0.01),
        ({"signal": 3.0, "sharpness": 3.0, "threshold": 0.9}, 5000, 0.02),
        ({"signal": 3.0, "sharpness": 6.0}, 20_000, 0.01),
    ],
    ids=["37 audited, 5% wrong", "88 audited, 1% wrong", "190 audited, too sure"],
)
def test_intervals_hold_the_truth_about_as_often_as_they_say(production, classes, changes, photos, share):
    model, rng = replace(production, **changes), np.random.default_rng(11)
    truth, held = truths(model, classes), {}
    for _ in range(WEEKS):
        answers, volume = model.week(photos, share, rng)
        for name, each in figures(performance(answers, {monday(answers[0].time): volume}, classes, SETTINGS)).items():
            held.setdefault(name, []).append(each.interval.low <= truth[name] <= each.interval.high)
    coverage = {name: np.mean(values) for name, values in held.items() if len(values) >= 100}
    assert {"accuracy", "brier", "brier_top1", "ece", "accepted_error", "precision tomato"} <= set(coverage)
    # Macro F1 leans on the class with the fewest audited photos, and calibration that is too good has no lower end.
    assert {name: value for name, value in coverage.items() if value < 0.95 - SCATTER - 0.02} == {}
    assert coverage["accepted_error"] >= 0.95 - SCATTER / 3
