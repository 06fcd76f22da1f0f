"""Whether confidence still means in production what it meant on the test photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.scores import Scores
from quality_gate.performance.estimates import Estimate

CALIBRATION_SCORES = ("ece", "brier", "brier_top1")


@dataclass(frozen=True)
class CalibrationDrift:
    """One score of calibration, lower being better.

    Attributes:
        score: ``ece``, ``brier`` or ``brier_top1``.
        production: of all answers of a period.
        test: of the test photos, when the model was judged.
        test_interval: its 95% interval.
    """

    score: str
    production: Estimate
    test: float
    test_interval: Interval

    @property
    def is_worse(self) -> bool:
        """Whether all of the interval in production lies above that of the test."""
        return self.production.interval.low > self.test_interval.high


def calibration_drift(production: Mapping[str, Estimate], champion: Scores) -> tuple[CalibrationDrift, ...]:
    """Hold the calibration in production against that of the test; nothing where there is not enough data.

    Args:
        production: scores of a period by name.
        champion: the model on its test photos.
    """
    tested = champion.metrics.scalars()
    return tuple(
        CalibrationDrift(name, production[name], tested[name], champion.intervals[name])
        for name in CALIBRATION_SCORES
        if name in production
    )
