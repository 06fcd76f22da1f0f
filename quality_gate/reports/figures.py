"""The figures of the evaluation page, drawn without pyplot, which would keep every figure in memory.

What matters is never told by colour alone: lines differ in their dashes too, and cells carry their counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metrics import ReliabilityCurve
from quality_gate.evaluation.routing import risk_coverage_curve
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.reports.rendering import PALETTE, plain_text
from quality_gate.training.history import Epoch, TrainingHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, LINE, EMPTY = "#1d2733", "#5b6672", "#e1e6eb", "#f3f5f7"
WIDTH = 4.8  # inches; shown about 500 pixels wide, where text of 8 points is as large as a caption
TEXT_SIZE = 8
SMALL_MATRIX = 8  # classes up to which the confusion matrix fits half the page
FITTING_MATRIX = 40  # classes up to which it fits the page; with more it is as large as its text needs
CELL = 0.18  # inches of a cell that is as small as can be read
LABEL_LENGTH = 24
CURVE_POINTS = 1000
CONFIDENCE_BINS = 20

_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))


def confusion_figure(counts: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Photos by true class (rows) and answer (columns): right answers in blue, wrong ones in orange.

    Args:
        counts: shape (classes, classes); below each stands its share of the row, where there is room for it.
        classes: names in the order of the rows; long ones are cut.
    """
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm

    size, small = len(classes), len(classes) <= SMALL_MATRIX
    edge = WIDTH if small else 9.2 if size <= FITTING_MATRIX else 2 + CELL * size
    figure, axes = plain_figure(edge, edge * (0.8 if small else 0.95))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = ~np.eye(size, dtype=bool)
    blues, oranges = colormaps["Blues"].with_extremes(bad=EMPTY), colormaps["Oranges"].with_extremes(bad="none")
    for colours, shown in ((blues, ~wrong), (oranges, wrong)):
        cells = np.ma.array(share, mask=~shown | (counts == 0))
        # The root of the share: an error of a few percent must show.
        axes.pcolormesh(cells, cmap=colours, norm=PowerNorm(0.5, 0, 1.25), edgecolors="white", linewidth=1)
    text_size = TEXT_SIZE + 1 if small else max(5.5, min(8.0, 200 / size))
    for row, column in np.argwhere(counts > 0):
        colour = "white" if share[row, column] > 0.6 else INK
        count, x, y = str(counts[row, column]), column + 0.5, row + 0.5
        of_row = f"\n{share[row, column]:.0%}" if small else ""
        axes.text(x, y, count + of_row, color=colour, fontsize=text_size, ha="center", va="center")
    names = [short_name(name) for name in classes]
    label_size = TEXT_SIZE if small else max(6.5, min(8.0, 260 / size))
    flat = size <= 5 and max(map(len, names)) <= 10
    axes.set_xticks(np.arange(size) + 0.5, names, fontsize=label_size)
    if not flat:
        axes.tick_params(axis="x", rotation=45 if small else 90)
    axes.set_yticks(np.arange(size) + 0.5, names, fontsize=label_size)
    axes.set(xlabel="answer of the model", ylabel="true class", aspect="equal")
    axes.invert_yaxis()
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def reliability_figure(curve: ReliabilityCurve, confidence: NDArray[np.float64]) -> Figure:
    """How often answers of about one confidence are right, above how many answers there are of each confidence.

    Args:
        curve: the bins; each gets its 95% interval (Wilson 1927).
        confidence: highest probability of each photo, shape (photos,), in 0..1.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure, (upper, lower) = _figure_of_rows(WIDTH, 4.1, (3, 1))
    upper.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)), label="confidence kept exactly")
    low, high = _wilson(curve.accuracy, curve.count)
    reach = np.vstack([curve.accuracy - low, high - curve.accuracy]).clip(0)
    upper.errorbar(
        curve.confidence,
        curve.accuracy,
        yerr=reach,
        fmt="o-",
        color=PALETTE[0],
        markersize=4.5,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2.5,
        label="candidate, 95% interval",
    )
    upper.set(ylabel="right answers", ylim=(0, 1.03))
    upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _legend(upper, "upper left")
    lower.hist(confidence, np.linspace(0, 1, CONFIDENCE_BINS + 1).tolist(), color=PALETTE[5], edgecolor="white")
    lower.set(xlabel="confidence of the answer", ylabel="photos", xlim=(0, 1.01))
    lower.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    return figure


def risk_coverage_figure(
    answers: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]], routing: RoutingCertificate
) -> Figure:
    """Share of wrong answers among the accepted, for every share accepted, with the certified threshold.

    Args:
        answers: of each model by name, the candidate first: confidence in 0..1 and whether the answer was right,
            each of shape (photos,). A model far worse than the candidate leaves the figure at its top.
        routing: certificate of the candidate.
    """
    figure, axes = plain_figure(WIDTH, 4.1)
    overall = [float(np.mean(~correct)) for _, correct in answers.values()]
    top = min(max(*overall, 2 * routing.alpha) * 1.08, max(3 * overall[0], 4 * routing.alpha), 1.0)
    for index, (name, (confidence, correct)) in enumerate(answers.items()):
        axes.plot(
            *_thinned(*risk_coverage_curve(confidence, correct)),
            color=PALETTE[index % len(PALETTE)],
            linestyle=_DASHES[index % len(_DASHES)],
            linewidth=2.0 if index == 0 else 1.2,
            zorder=3 - 0.1 * index,
            label=plain_text(name),
        )
    axes.axhline(routing.alpha, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlabel="photos accepted", ylabel="wrong among the accepted", xlim=(0, 1.01), ylim=(0, top))
    annotate(axes, f"α = {_percent(routing.alpha)}", (0, routing.alpha))
    _mark_threshold(axes, *next(iter(answers.values())), routing)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda share, _: _percent(share))
    _legend(axes, "upper left")
    return figure


def training_figure(history: Sequence[Epoch]) -> Figure:
    """Loss, validation macro F1 and learning rate of every pass, and what happened in between.

    Marked are the pass that was kept, why training ended, where the learning rate was lowered, and where a further
    stage of the backbone began to learn.

    Args:
        history: one pass or more, in order.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (loss, score, rate) = _figure_of_rows(WIDTH, 4.1, (5, 5, 3))
    passes = [epoch.epoch for epoch in history]
    train = [np.nan if epoch.train_loss is None else epoch.train_loss for epoch in history]
    loss.plot(passes, train, "o-", color=PALETTE[0], markersize=3, linewidth=1.4, label="training")
    validation = [epoch.log_loss for epoch in history]
    loss.plot(
        passes, validation, "s", color=PALETTE[1], markersize=3, linewidth=1.4, linestyle=_DASHES[1], label="validation"
    )
    loss.set(ylabel="log loss")
    loss.set_ylim(bottom=0)
    _legend(loss, "best")
    score.plot(passes, [epoch.macro_f1 for epoch in history], "o-", color=PALETTE[0], markersize=3, linewidth=1.4)
    score.set(ylabel="macro F1")
    score.margins(y=0.25)
    rate.step(passes, [epoch.learning_rate for epoch in history], where="mid", color=PALETTE[2], linewidth=1.4)
    rate.set(xlabel="pass (0: before fine-tuning)", ylabel="learning\nrate")
    highest = max(epoch.learning_rate for epoch in history)
    rate.set_ylim(0, 1.3 * highest)
    rate.set_xlim(-0.4, passes[-1] + 0.4)
    rate.set_yticks([0, highest])
    rate.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}".replace("e-0", "e−"))
    rate.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _mark_best_pass(history, (loss, score, rate), score)
    _mark_changes(history, rate)
    loss.set_title(TrainingHistory(tuple(history)).ending, fontsize=TEXT_SIZE, color=INK, loc="left")
    figure.align_ylabels()
    return figure


def _mark_best_pass(history: Sequence[Epoch], rows: Sequence[Axes], score: Axes) -> None:
    best = next((epoch for epoch in reversed(history) if epoch.best), None)
    if best is None:
        return
    for axes in rows:
        axes.axvline(best.epoch, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    score.plot(best.epoch, best.macro_f1, marker="*", markersize=11, color=PALETTE[4], markeredgecolor=INK, zorder=4)
    bottom = score.get_ylim()[0]
    annotate(score, f"kept: pass {best.epoch}, {best.macro_f1:.3f}", (best.epoch, bottom))


def _mark_changes(history: Sequence[Epoch], rate: Axes) -> None:
    """Triangles in the row of the learning rate: down where it was lowered, up where a further stage began to learn."""
    following = list(pairwise(history))
    lowered = [(now.epoch, now.learning_rate) for before, now in following if now.learning_rate < before.learning_rate]
    opened = [(now.epoch, 0.0) for old, now in following if old.open_stages and now.open_stages != old.open_stages]
    for points, marker, colour, label in (
        (lowered, "v", PALETTE[2], "rate lowered"),
        (opened, "^", PALETTE[3], "stage opened"),
    ):
        if points:
            rate.plot(*zip(*points, strict=True), marker, color=colour, markersize=6, clip_on=False, label=label)
    if lowered or opened:
        rate.legend(
            loc="lower right", bbox_to_anchor=(1, 0.96), ncols=2, fontsize=TEXT_SIZE, labelcolor=INK, frameon=False,
            handletextpad=0.1, borderpad=0,
        )  # fmt: skip


def plain_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of axes, in the style of all of them."""
    figure, (axes,) = _figure_of_rows(width, height, (1,))
    return figure, axes


def _figure_of_rows(width: float, height: float, ratios: tuple[int, ...]) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    rows = figure.subplots(len(ratios), sharex=True, squeeze=False, height_ratios=ratios)[:, 0].tolist()
    for axes in rows:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#b5bec7")
        axes.tick_params(labelsize=TEXT_SIZE, color="#b5bec7", labelcolor=INK)
        axes.xaxis.label.set(fontsize=TEXT_SIZE, color=QUIET)
        axes.yaxis.label.set(fontsize=TEXT_SIZE, color=QUIET)
        axes.grid(True, color=LINE, linewidth=0.7)
        axes.set_axisbelow(True)
    return figure, rows


def _legend(axes: Axes, place: Literal["upper left", "best"]) -> None:
    axes.legend(loc=place, fontsize=TEXT_SIZE, labelcolor=INK, facecolor="white", edgecolor="none")


def _mark_threshold(
    axes: Axes, confidence: NDArray[np.float64], correct: NDArray[np.bool_], routing: RoutingCertificate
) -> None:
    if routing.threshold is None:
        annotate(axes, "no threshold could be certified", (0.99, routing.alpha))
        return
    accepted = confidence >= routing.threshold
    if not accepted.any():
        return
    coverage, risk = float(accepted.mean()), float((~correct[accepted]).mean())
    axes.axvline(coverage, color=PALETTE[0], linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    axes.plot(coverage, risk, "o", markersize=7, color="white", markeredgecolor=PALETTE[0], markeredgewidth=2, zorder=5)
    annotate(
        axes,
        f"threshold {routing.threshold:.3f}:\n{coverage:.0%} accepted, {risk:.1%} wrong",
        (coverage, max(risk, routing.alpha)),
    )


def annotate(axes: Axes, text: str, point: tuple[float, float]) -> None:
    """Write a text beside a point."""
    # Towards the middle of the axes, so that the text stays inside whatever the point is.
    across, up = axes.transAxes.inverted().transform(axes.transData.transform(point))
    left, below = across < 0.5, up > 0.7
    axes.annotate(
        text,
        point,
        (8 if left else -8, -9 if below else 9),
        textcoords="offset points",
        ha="left" if left else "right",
        va="top" if below else "bottom",
        fontsize=TEXT_SIZE,
        color=INK,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )


def short_name(name: str) -> str:
    """A name as it stands in a figure: plain, and cut where it is long."""
    return plain_text(name if len(name) <= LABEL_LENGTH else f"{name[: LABEL_LENGTH - 1]}…")


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _thinned(
    coverage: NDArray[np.float64], risk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    kept = np.unique(np.linspace(0, len(coverage) - 1, CURVE_POINTS).astype(np.int64))
    return coverage[kept], risk[kept]


def _wilson(share: NDArray[np.float64], count: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    z = 1.959964
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return centre - reach, centre + reach
