"""What finding more photos of the watched class costs, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.reports.figures import INK, WIDTH, annotate, plain_figure
from quality_gate.reports.rendering import PALETTE, plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def watched_figure(false_alarms: NDArray[np.float64], recall: NDArray[np.float64], watched: WatchedScores) -> Figure:
    """Recall against false alarms for every threshold, with the point in use and its 95% intervals.

    Args:
        false_alarms: share of the other photos, rising from 0 to 1, shape (thresholds,).
        recall: share of the photos of the class, shape of ``false_alarms``.
        watched: the class at its threshold.
    """
    from matplotlib.ticker import PercentFormatter

    chosen = watched.chosen
    figure, axes = plain_figure(WIDTH, 4.1)
    axes.step(false_alarms, recall, where="post", color=PALETTE[0], linewidth=1.6)
    axes.axhline(chosen.min_recall, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    across, up = watched.intervals["false_alarm_rate"], watched.intervals["recall"]
    point = (watched.false_alarm_rate, watched.recall)
    axes.errorbar(
        *point,
        xerr=np.array([[point[0] - across.low], [across.high - point[0]]]).clip(0),
        yerr=np.array([[point[1] - up.low], [up.high - point[1]]]).clip(0),
        fmt="o",
        markersize=7,
        color=PALETTE[0],
        markerfacecolor="white",
        markeredgewidth=2,
        elinewidth=0.9,
        capsize=2.5,
        zorder=5,
    )
    annotate(
        axes,
        f"threshold {chosen.threshold:.3f}:\n{point[0]:.1%} false alarms,\n{point[1]:.1%} found "
        f"({100 * chosen.min_recall:.4g}% asked for)",
        (min(across.high, 0.45), up.low),
    )
    axes.set(
        xlabel="false alarms among other photos",
        ylabel=f"found of {plain_text(chosen.label)}",
        xlim=(-0.01, 1.01),
        ylim=(0, 1.03),
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure
