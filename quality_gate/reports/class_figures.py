"""How well each class is told from the rest, drawn: ROC, precision and recall, calibration, and how sure answers are.

With many classes only those that fare worst are named; the others are thin lines behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from quality_gate.reports.figures import INK, QUIET, TEXT_SIZE, WIDTH, plain_figure, short_name
from quality_gate.reports.rendering import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Place = Literal["lower right", "lower left", "upper left", "best"]

MOST_NAMED = 5
HEIGHT = 4.1
_BINS = 20
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))


@dataclass(frozen=True)
class ClassCurve:
    """A curve of one class.

    Attributes:
        label: the class.
        x: shape (points,), in 0..1.
        y: shape (points,), in 0..1.
        summary: the number that stands for it.
        loss: how badly it fares, to name the worst.
    """

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    summary: float
    loss: float


def roc_curves(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]
) -> list[ClassCurve]:
    """False and true positive rate of each class against the rest, with the area below.

    Args:
        labels: class number of each photo, shape (photos,).
        probabilities: shape (photos, classes).
        classes: names in the order of the columns; a class that all photos are of, or none, has no curve.
    """
    from sklearn.metrics import auc, roc_curve

    curves = []
    for label, of_class, probability in _each(labels, probabilities, classes):
        wrong, right, _ = roc_curve(of_class, probability)
        area = float(auc(wrong, right))
        curves.append(ClassCurve(label, wrong, right, area, -area))
    return curves


def precision_recall_curves(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]
) -> list[ClassCurve]:
    """Recall and precision of each class against the rest, with the average precision; arguments as of the ROC."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = []
    for label, of_class, probability in _each(labels, probabilities, classes):
        precision, recall, _ = precision_recall_curve(of_class, probability)
        average = float(average_precision_score(of_class, probability))
        curves.append(ClassCurve(label, recall, precision, average, -average))
    return curves


def calibration_curves(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str], errors: Sequence[float]
) -> list[ClassCurve]:
    """Mean probability and share of photos of each class in tenths of its probability; arguments as of the ROC.

    Args:
        labels: as of the ROC.
        probabilities: as of the ROC.
        classes: as of the ROC.
        errors: calibration error of each class, 0..1.
    """
    from sklearn.calibration import calibration_curve

    by_label = dict(zip(classes, errors, strict=True))
    curves = []
    for label, of_class, probability in _each(labels, probabilities, classes):
        share, mean = calibration_curve(of_class, probability.clip(0, 1), n_bins=10)
        curves.append(ClassCurve(label, mean, share, by_label[label], by_label[label]))
    return curves


def _each(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
    told = [(label, labels == place, probabilities[:, place]) for place, label in enumerate(classes)]
    return [(label, of_class, probability) for label, of_class, probability in told if 0 < of_class.sum() < len(labels)]


def named(curves: Sequence[ClassCurve]) -> list[ClassCurve]:
    """The curves that are named, the worst first: all of a few, the worst of many."""
    return sorted(curves, key=lambda curve: curve.loss, reverse=True)[:MOST_NAMED]


def curves_figure(curves: Sequence[ClassCurve], kind: Literal["roc", "precision_recall", "calibration"]) -> Figure:
    """All curves in one pair of axes, the worst in front and by name."""
    from matplotlib.ticker import PercentFormatter

    figure, axes = plain_figure(WIDTH, HEIGHT)
    shown = named(curves)
    # Lines of calibration go up and down too much to be told apart when there are many.
    others = [curve for curve in curves if curve not in shown] if kind != "calibration" else []
    for number, curve in enumerate(others):
        axes.plot(curve.x, curve.y, color="#b5bec7", linewidth=0.8, label=None if number else "other classes")
    for number, curve in enumerate(shown):
        axes.plot(
            curve.x,
            curve.y,
            color=PALETTE[number % len(PALETTE)],
            linestyle=_DASHES[number % len(_DASHES)],
            marker="o" if kind == "calibration" else None,
            markersize=3.5,
            linewidth=1.6,
            label=f"{short_name(curve.label)}, {curve.summary:.3f}",
        )
    if kind != "precision_recall":
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    across, up = {
        "roc": ("of other photos, answered with the class", "of its photos, found"),
        "precision_recall": ("recall: of its photos, found", "precision: of the answers with it, right"),
        "calibration": ("probability of the class", "share of photos that are of it"),
    }[kind]
    axes.set(xlabel=across, ylabel=up, xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    places: dict[str, _Place] = {"roc": "lower right", "precision_recall": "lower left", "calibration": "upper left"}
    _legend(axes, places[kind])
    return figure


def confidence_figure(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> Figure:
    """How sure right and wrong answers are, each as shares of their own number.

    Args:
        confidence: of each answer, shape (photos,), in 0..1.
        correct: whether it was right, shape (photos,).
    """
    from matplotlib.ticker import PercentFormatter

    figure, axes = plain_figure(WIDTH, HEIGHT)
    edges = np.linspace(0, 1, _BINS + 1)
    for chosen, name, colour, hatch in ((correct, "right", PALETTE[0], ""), (~correct, "wrong", PALETTE[1], "///")):
        if not chosen.any():
            continue
        shares = np.histogram(confidence[chosen], edges)[0] / chosen.sum()
        axes.stairs(shares, edges, color=colour, linewidth=1.4, hatch=hatch)
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.35, label=f"{chosen.sum():,} {name} answers")
    axes.set(xlabel="confidence of the answer", ylabel="share of these answers", xlim=(0, 1.01))
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    _legend(axes, "best")
    return figure


def _legend(axes: Axes, place: _Place) -> None:
    axes.legend(loc=place, fontsize=TEXT_SIZE, labelcolor=INK, facecolor="white", edgecolor="none")
