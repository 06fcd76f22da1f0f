"""How sure the answers of a batch are, as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from quality_gate.reports.figures import CONFIDENCE_BINS, TEXT_SIZE, WIDTH, plain_figure
from quality_gate.reports.rendering import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def confidence_figure(counts: Mapping[tuple[str, int], int]) -> Figure:
    """How sure answers are: those to review, hatched, on top of the accepted ones.

    Args:
        counts: answers by decision (``accept`` or ``review``) and bin of the confidence, 0 to ``CONFIDENCE_BINS`` − 1.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = plain_figure(2 * WIDTH, 2.6)
    edges = np.arange(CONFIDENCE_BINS) / CONFIDENCE_BINS
    below = np.zeros(CONFIDENCE_BINS, dtype=np.int64)
    for decision, label, colour, hatch in (("accept", "accepted", 0, ""), ("review", "to review", 1, "////")):
        heights = np.array([counts.get((decision, number), 0) for number in range(CONFIDENCE_BINS)])
        axes.bar(
            edges, heights, 1 / CONFIDENCE_BINS, below, align="edge", label=label, color=PALETTE[colour], hatch=hatch,
            edgecolor="white", linewidth=0.5,
        )  # fmt: skip
        below += heights
    axes.set(xlabel="confidence", ylabel="photos", xlim=(0, 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=TEXT_SIZE, frameon=False, loc="upper left")
    return figure
