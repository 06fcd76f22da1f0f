"""The class that must not be missed, as it fares on the test photos."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.models.watched_class import WatchedClass


@dataclass(frozen=True)
class WatchedScores:
    """The class that must not be missed, at its threshold, on the test photos.

    Attributes:
        chosen: the class, its threshold and what it was chosen on.
        photos: test photos of the class.
        missed: of these, how many were answered otherwise.
        missed_unseen: of these, how many were accepted, so that nobody would have seen them.
        false_alarms: photos of other classes that were answered with it.
        recall: share of its photos that were found, 0..1; NaN where there is none.
        false_alarm_rate: share of the photos of other classes that were answered with it, 0..1; NaN likewise.
        precision: share of the photos answered with it that are of it, 0..1; NaN likewise.
        f1: harmonic mean of precision and recall, 0..1; NaN likewise.
        intervals: 95% interval of each of these four by its name.
    """

    chosen: WatchedClass
    photos: int
    missed: int
    missed_unseen: int
    false_alarms: int
    recall: float
    false_alarm_rate: float
    precision: float
    f1: float
    intervals: dict[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values; what is undefined is null."""
        values = {
            name: None if isinstance(value, float) and isnan(value) else value for name, value in vars(self).items()
        }
        intervals = {name: interval.to_json() for name, interval in self.intervals.items()}
        return {**values, "chosen": asdict(self.chosen), "intervals": intervals}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> WatchedScores:
        """Rebuild the figures from :meth:`to_json`."""
        defined: dict[str, Any] = {name: nan if value is None else value for name, value in values.items()}
        intervals = {name: Interval.from_json(interval) for name, interval in values["intervals"].items()}
        return cls(**{**defined, "chosen": WatchedClass(**values["chosen"]), "intervals": intervals})
