"""The figures of the performance page: weeks, the evidence against the promise, and what confidence is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.performance.estimates import Estimate
from quality_gate.reports.figures import INK, QUIET, TEXT_SIZE, WIDTH, plain_figure
from quality_gate.reports.rendering import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from quality_gate.performance.accepted_errors import AcceptedErrors
    from quality_gate.performance.periods import Performance
    from quality_gate.performance.report import ConfidenceBin

DASHED = (0, (4, 3))
MOST_WEEK_TICKS = 12


def weeks_figure(weeks: Sequence[Performance], alpha: float | None) -> Figure:
    """Accuracy, macro F1, and right answers among the accepted, by week, with 95% intervals.

    Args:
        weeks: in order; a figure without enough data is left out of its week.
        alpha: the promise; None where there is none.
    """
    from matplotlib.ticker import PercentFormatter

    figure, axes = plain_figure(2 * WIDTH, 3.2)
    lines = (
        ("accuracy", [week.scores.get("accuracy") for week in weeks], "o"),
        ("macro F1", [week.scores.get("macro_f1") for week in weeks], "s"),
        ("right among the accepted", [_right(week.accepted_error) for week in weeks], "^"),
    )
    for number, (label, values, marker) in enumerate(lines):
        if any(value is not None for value in values):
            # Side by side, for intervals on top of each other cannot be told apart.
            x = np.arange(len(weeks), dtype=np.float64) + 0.12 * (number - 1)
            _with_intervals(axes, x, values, marker, PALETTE[number], label)
    if alpha is not None:
        axes.axhline(1 - alpha, color=INK, linewidth=1, linestyle=DASHED, label=f"promised: {100 * (1 - alpha):.3g}%")
    step = -(-len(weeks) // MOST_WEEK_TICKS)
    axes.set_xticks(range(0, len(weeks), step), [f"{week.start:%d %b %Y}" for week in weeks[::step]])
    axes.set(xlabel="week from", xlim=(-0.5, len(weeks) - 0.5))
    axes.set_ylim(top=1.01)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(fontsize=TEXT_SIZE, labelcolor=INK, facecolor="white", edgecolor="none", loc="lower left", ncols=2)
    return figure


def evidence_figure(errors: AcceptedErrors) -> Figure:
    """The wealth of who bets against the promise, by the audited answers, with errors and the line of the alarm."""
    from matplotlib.ticker import MultipleLocator

    figure, axes = plain_figure(2 * WIDTH, 2.8)
    evidence = errors.log_evidence / math.log(10)
    count = np.arange(1, len(evidence) + 1)
    axes.plot(np.append(0, count), np.append(0.0, evidence), color=PALETTE[0], linewidth=1.5, label="evidence")
    wrong = errors.wrong
    axes.plot(count[wrong], evidence[wrong], "x", color=PALETTE[1], markersize=5, label="wrong answer")
    line = errors.log_threshold / math.log(10)
    axes.axhline(line, color=INK, linewidth=1, linestyle=DASHED, label="alarm")
    if errors.raised_after is not None:
        axes.plot(errors.raised_after, evidence[errors.raised_after - 1], "o", markersize=9, markerfacecolor="none",
                  markeredgecolor=INK, label=f"raised after {errors.raised_after}")  # fmt: skip
    axes.set(xlabel="audited answers, in the order of their labels", ylabel="evidence against the promise")
    axes.set_xlim(0, max(len(evidence), 10))
    axes.set_ylim(min(-1.2, evidence.min() - 0.1), max(line, evidence.max()) * 1.08)
    axes.yaxis.set_major_locator(MultipleLocator(max(1.0, np.ptp(axes.get_ylim()) // 6)))
    axes.yaxis.set_major_formatter(
        lambda power, _: f"{10**power:,.3g}" if -3 <= power <= 6 else f"$10^{{{power:.3g}}}$"
    )
    axes.legend(fontsize=TEXT_SIZE, labelcolor=INK, facecolor="white", edgecolor="none", loc="best")
    return figure


def confidence_bins_figure(bins: Sequence[ConfidenceBin]) -> Figure:
    """How often answers of about one confidence are right, with 95% intervals."""
    from matplotlib.ticker import PercentFormatter

    figure, axes = plain_figure(WIDTH, 3.4)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=DASHED, label="confidence kept exactly")
    x = np.array([each.confidence for each in bins])
    _with_intervals(axes, x, [each.right for each in bins], "o", PALETTE[0], "production, 95% interval")
    axes.set(xlabel="confidence of the answer", ylabel="right answers", xlim=(0, 1.01), ylim=(0, 1.03))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(fontsize=TEXT_SIZE, labelcolor=INK, facecolor="white", edgecolor="none", loc="upper left")
    return figure


def _with_intervals(
    axes: Axes, x: NDArray[np.float64], values: Sequence[Estimate | None], marker: str, colour: str, label: str
) -> None:
    ends = np.array([(each.interval.low, each.value, each.interval.high) if each else [np.nan] * 3 for each in values])
    axes.errorbar(x, ends[:, 1], yerr=np.diff(ends).T.clip(0), fmt=f"{marker}-", color=colour, markersize=4.5,
                  linewidth=1.2, elinewidth=0.9, capsize=2.5, label=label)  # fmt: skip


def _right(error: Estimate | None) -> Estimate | None:
    if error is None:
        return None
    return Estimate(1 - error.value, Interval(1 - error.interval.high, 1 - error.interval.low))
