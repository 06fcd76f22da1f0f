"""The page of a drift run: the verdict, every group with its size, and the window beside the reference as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from quality_gate.drift.detection import CLASSES, GROUPS
from quality_gate.drift.judgement import left_out_sentence
from quality_gate.evaluation.wording import UNDEFINED, number
from quality_gate.reports.drift_figures import classes_figure, column_figure
from quality_gate.reports.rendering import picture, render

if TYPE_CHECKING:
    from quality_gate.data.validation import ValidationResult
    from quality_gate.drift.report import ColumnDrift, DriftReport, GroupDrift
    from quality_gate.drift.window import ObservedWindow

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "light": "lamp, exposure, colour of the light",
        "sharpness": "focus, movement, a dirty lens",
        "size": "camera, cropping, compression",
        "confidence": "how sure the answers are",
        "classes": "how often each class is answered",
        "features": "what the network sees: goods, background, anything else",
    }
)
_POWERS = " (powers of ten)"
AXES: Mapping[str, str] = MappingProxyType(
    {
        "brightness": "brightness",
        "contrast": "contrast",
        "red_share": "red share of the light",
        "blue_share": "blue share of the light",
        "sharpness": f"sharpness{_POWERS}",
        "width": "width, pixels",
        "height": "height, pixels",
        "file_size": f"file size, KB{_POWERS}",
        "confidence": "confidence",
    }
)
POWERS = frozenset(column for column, label in AXES.items() if label.endswith(_POWERS))


@dataclass(frozen=True)
class GroupRow:
    """A row of the table of groups, in words."""

    name: str
    meaning: str
    status: str
    verdict: str
    p_value: str
    effect: str
    detail: str


@dataclass(frozen=True)
class Picture:
    """A figure as data URI, and what it shows."""

    source: str
    caption: str


def drift_page(report: DriftReport, window: ObservedWindow, checks: ValidationResult | None) -> str:
    """The page.

    Args:
        report: what came of the comparison.
        window: the photos.
        checks: of the suite; None where there were not enough photos to check.

    Returns:
        Static HTML.
    """
    drifted_first = sorted(report.groups, key=lambda group: not group.drifted)
    return render(
        "drift.html.j2",
        report=report,
        times=[_time(report.first), _time(report.last)],
        left_out=left_out_sentence(window),
        rows=[_row(group) for group in report.groups],
        pictures=[one for group in drifted_first for one in _pictures(group, window)],
        failed=[] if checks is None else [check for check in checks.checks if not check.passed],
        checks=checks,
    )


def _row(group: GroupDrift) -> GroupRow:
    status, verdict = ("fail", "drifted") if group.drifted else ("pass", "no drift")
    if group.untested:
        status, verdict = "none", "not tested"
    return GroupRow(
        group.name,
        MEANINGS[group.name],
        status,
        verdict,
        UNDEFINED if group.adjusted_p is None else number(group.adjusted_p),
        f"{group.effect_name} {UNDEFINED if group.effect is None else number(group.effect, 2)}",
        group.untested or "; ".join(map(_moved, group.columns)),
    )


def _time(text: str) -> str:
    """A time in UTC as people read it; '' stays ''."""
    return text and f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def _moved(column: ColumnDrift) -> str:
    medians = [column.reference_median, column.window_median]
    if column.name in POWERS:
        medians = [10**median for median in medians]
    before, now = map(number, medians)
    return f"{AXES[column.name].removesuffix(_POWERS)}: {before} → {now}"


def _pictures(group: GroupDrift, window: ObservedWindow) -> list[Picture]:
    if group.name == CLASSES:
        return [Picture(picture(classes_figure(window.reference, window.observations)), "Predicted classes.")]
    if group.name not in GROUPS:
        return []
    before, now = window.reference.columns, window.observations.columns
    return [
        Picture(
            picture(column_figure(before[column], now[column], AXES[column])),
            f"{AXES[column][0].upper()}{AXES[column][1:]}: the window beside the reference.",
        )
        for column in GROUPS[group.name]
    ]
