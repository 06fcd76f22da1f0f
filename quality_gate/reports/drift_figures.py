"""A column of a window beside the reference, as a small histogram; the classes as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.reports.figures import TEXT_SIZE, WIDTH, plain_figure
from quality_gate.reports.rendering import PALETTE, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from quality_gate.drift.observations import Observations

BINS = 24
HEIGHT = 1.9
# Of more classes the bars could not be told apart.
SHOWN_CLASSES = 12


def column_figure(reference: NDArray[np.float64], window: NDArray[np.float64], label: str) -> Figure:
    """Shares of photos by value: the reference filled, the window as a line.

    Args:
        reference: values of a column.
        window: likewise.
        label: of the axis.
    """
    figure, axes = plain_figure(WIDTH, HEIGHT)
    low, high = (float(edge(np.concatenate([reference, window]))) for edge in (np.min, np.max))
    margin = 0.0 if high > low else max(0.5, 0.05 * abs(low))
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    shares = [np.histogram(values, edges)[0] / len(values) for values in (reference, window)]
    axes.stairs(shares[0], edges, fill=True, color="#c9d2da", label="reference")
    axes.stairs(shares[1], edges, color=PALETTE[1], linewidth=1.6, label="window")
    axes.set(xlabel=label)
    _finish(axes)
    return figure


def classes_figure(reference: Observations, window: Observations) -> Figure:
    """Shares of the predicted classes, the most frequent of either first."""
    counts = [np.bincount(part.predicted, minlength=len(part.classes)) / len(part) for part in (reference, window)]
    shown = np.argsort(-np.maximum(*counts), kind="stable")[:SHOWN_CLASSES]
    figure, axes = plain_figure(WIDTH, HEIGHT)
    places = np.arange(len(shown))
    axes.bar(places - 0.2, counts[0][shown], 0.4, color="#c9d2da", label="reference")
    axes.bar(places + 0.2, counts[1][shown], 0.4, color=PALETTE[1], label="window")
    names = [plain_text(reference.classes[place][:14]) for place in shown]
    axes.set_xticks(places, names, rotation=30 if len(shown) > 4 else 0)
    axes.set(xlabel="predicted class")
    _finish(axes)
    return figure


def _finish(axes: Axes) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(fontsize=TEXT_SIZE, frameon=False, loc="best")
