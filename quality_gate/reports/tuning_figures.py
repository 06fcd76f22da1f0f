"""The figures of the tuning page: the metric from trial to trial, and which settings mattered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quality_gate.reports.figures import INK, QUIET, TEXT_SIZE, WIDTH, plain_figure
from quality_gate.reports.rendering import PALETTE
from quality_gate.tuning.search import METRICS_IN_WORDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from quality_gate.tuning.result import Importance, TrialRecord, TuningResult

DASHED = (0, (4, 3))


def history_figure(result: TuningResult) -> Figure:
    """The value of every complete trial, the best so far, and the value of the recipe; where trials were ended early.

    Ended trials have no value of the metric: they stand as marks at the lower edge.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = plain_figure(2 * WIDTH, 3.2)
    complete = [trial for trial in result.trials if trial.state == "complete"]
    numbers = [trial.number for trial in complete]
    values = [trial.measured for trial in complete]
    axes.plot(numbers, values, "o", color=PALETTE[0], markersize=5, label="trial")
    last = result.trials[-1].number
    axes.step([*numbers, last + 0.5], best_so_far(complete, result.metric), where="post", color=PALETTE[1],
              linewidth=1.5, label="best so far")  # fmt: skip
    recipe, best = result.recipe.measured, result.best
    axes.axhline(recipe, color=INK, linewidth=1, linestyle=DASHED, label="recipe")
    axes.plot(best.number, best.measured, "o", markersize=10, markerfacecolor="none", markeredgecolor=INK, label="best")
    ended = [trial.number for trial in result.trials if trial.state != "complete"]
    if ended:
        edge = axes.get_xaxis_transform()
        axes.plot(ended, [0.03] * len(ended), "x", color=QUIET, transform=edge, label="ended early, or failed")
    axes.set(xlabel="trial", ylabel=f"validation {METRICS_IN_WORDS[result.metric]}", xlim=(0.5, last + 0.5))
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(fontsize=TEXT_SIZE, labelcolor=INK, facecolor="white", edgecolor="none", loc="best", ncols=2)
    return figure


def best_so_far(complete: Sequence[TrialRecord], metric: str) -> list[float]:
    """The best value after each complete trial, and once more at the end."""
    better = max if metric == "macro_f1" else min
    values = [trial.measured for trial in complete]
    found = [better(values[: place + 1]) for place in range(len(values))]
    return [*found, found[-1]]


def importance_figure(importance: Importance) -> Figure:
    """A bar for each setting, the most important at the top."""
    from matplotlib.ticker import PercentFormatter

    figure, axes = plain_figure(WIDTH, 0.7 + 0.27 * len(importance.shares))
    names = list(importance.shares)[::-1]
    shares = [importance.shares[name] for name in names]
    bars = axes.barh(range(len(names)), shares, color=PALETTE[0], height=0.62)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=3, fontsize=TEXT_SIZE, color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="share of the differences that it explains", xlim=(0, 1.12 * max(shares)))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(False, axis="y")
    return figure
