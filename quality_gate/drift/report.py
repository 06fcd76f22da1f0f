"""What came of comparing a window with the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from quality_gate.step_value import StepValue

Verdict = Literal["alarm", "no_alarm", "not_enough_data"]


@dataclass(frozen=True)
class ColumnDrift:
    """A measured column of a group.

    Attributes:
        name: of the column.
        reference_median: in its own unit.
        window_median: likewise.
        effect: the window's distance from the reference in its standard deviations (Wasserstein), 0 or more; None
            where the reference does not vary and the window does.
    """

    name: str
    reference_median: float
    window_median: float
    effect: float | None


@dataclass(frozen=True)
class GroupDrift:
    """A group of columns that is tested as one.

    Attributes:
        name: ``light``, ``sharpness``, ``size``, ``classes``, ``confidence`` or ``features``.
        p_value: of the group alone; None where it was not tested.
        adjusted_p: corrected for all groups of the window (Holm); None likewise.
        drifted: whether the window differs.
        effect_name: of the size of the difference: ``Wasserstein``, ``Jensen-Shannon`` or ``AUC``.
        effect: that size; of several columns the largest. None where it is not known.
        columns: of the group; none for classes and features.
        untested: why it was not tested; '' where it was.
    """

    name: str
    p_value: float | None
    adjusted_p: float | None
    drifted: bool
    effect_name: str
    effect: float | None
    columns: tuple[ColumnDrift, ...] = ()
    untested: str = ""


@dataclass(frozen=True)
class DriftReport(StepValue):
    """A window held against the reference of the champion.

    Attributes:
        gate: name of the gate.
        model_version: of its champion.
        verdict: ``alarm``, ``no_alarm``, or ``not_enough_data``, which is neither.
        sentence: the verdict in one sentence.
        photos: of the window that were compared.
        reference_photos: they were compared with.
        min_photos: fewer are not compared.
        false_alarm_rate: share of windows without drift that ring all the same, at most.
        first: when the first photo of the window was answered, ISO 8601 in UTC; '' where there is none.
        last: when the last was.
        left_out: photos of the window that other versions of the model answered, by version.
        groups: of columns.
    """

    gate: str
    model_version: str
    verdict: Verdict
    sentence: str
    photos: int
    reference_photos: int
    min_photos: int
    false_alarm_rate: float
    first: str
    last: str
    left_out: Mapping[str, int]
    groups: tuple[GroupDrift, ...]

    @property
    def alarm(self) -> bool:
        """Whether it rings."""
        return self.verdict == "alarm"

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self) | {"left_out": dict(self.left_out)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DriftReport:
        """Rebuild a report from :meth:`to_json`."""
        groups = tuple(
            GroupDrift(**{**group, "columns": tuple(ColumnDrift(**column) for column in group["columns"])})
            for group in values["groups"]
        )
        return cls(**{**values, "groups": groups})
