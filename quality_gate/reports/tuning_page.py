"""The page of a tuning: its trials, what mattered, and the best settings to be laid over the recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass

from quality_gate.evaluation.wording import number
from quality_gate.reports.evaluation_plots import Plot
from quality_gate.reports.rendering import picture, render
from quality_gate.reports.tuning_figures import history_figure, importance_figure
from quality_gate.tuning.result import TrialRecord, TuningResult, overlay
from quality_gate.tuning.search import METRICS_IN_WORDS, in_words

SHOWN_TRIALS = 200
STATES = {
    "complete": ("pass", "complete"),
    "pruned": ("none", "ended early"),
    "failed": ("fail", "failed"),
    "stopped": ("warn", "time was over"),
}


@dataclass(frozen=True)
class Row:
    """A trial as a row of the table."""

    trial: TrialRecord
    status: str
    state: str
    value: str
    passes: int
    settings: str


@dataclass(frozen=True)
class Verdict:
    """The sentence at the top: its status as of the templates, what is so, what it means, and the word in the badge."""

    status: str
    headline: str
    detail: str
    label: str


def tuning_page(result: TuningResult, *, name: str, command: str) -> str:
    """The page.

    Args:
        result: all trials.
        name: the gate.
        command: trains with the best settings.

    Returns:
        Static HTML.
    """
    by_value = sorted(result.trials, key=lambda trial: (trial.state != "complete", -result.goodness(trial)))
    return render(
        "tuning.html.j2",
        result=result,
        name=name,
        command=command,
        verdict=verdict(result),
        metric=METRICS_IN_WORDS[result.metric],
        rows=[_row(trial) for trial in by_value[:SHOWN_TRIALS]],
        yaml=overlay(result.best.settings),
        minutes=sum(trial.seconds for trial in result.trials) / 60,
        history_plot=_history_plot(result),
        importance_plot=_importance_plot(result),
        number=number,
    )


def verdict(result: TuningResult) -> Verdict:
    """Whether something better than the recipe was found, and whether that may be chance."""
    recipe, best = result.recipe, result.best
    metric = METRICS_IN_WORDS[result.metric]
    if result.gain <= 0:
        return Verdict("none", f"Nothing better than the recipe was found: {metric} {number(recipe.measured)}.", "",
                       "recipe kept")  # fmt: skip
    headline = f"Validation {metric} {number(best.measured)} in place of the recipe's {number(recipe.measured)}."
    chosen = (
        f"It is the best of {result.count('complete')} trials on the photos that chose it, so it looks better than it "
        "is; the gate tests it on photos that had no say."
    )
    noise = chance(result)
    if noise is not None and result.gain < noise:
        detail = f"On {result.validation_photos:,} photos a difference below about {number(noise)} may be chance. "
        return Verdict("warn", headline, detail + chosen, "may be chance")
    return Verdict("pass", headline, chosen, "better")


def chance(result: TuningResult) -> float | None:
    """Standard error of a share as large as the recipe's macro F1 on as many photos; None for a Brier score."""
    value = result.recipe.measured
    if result.metric != "macro_f1":
        return None
    return math.sqrt(max(value * (1 - value), 0.0) / result.validation_photos)


def _row(trial: TrialRecord) -> Row:
    status, state = STATES[trial.state]
    passes = max((epoch.epoch for epoch in trial.epochs), default=0)
    settings = in_words(trial.settings) or ("the recipe" if trial.state == "complete" else "–")
    value = "–" if trial.value is None else number(trial.value, 4)
    return Row(trial, status, state, value, passes, f"{settings} — {trial.note}" if trial.note else settings)


def _history_plot(result: TuningResult) -> Plot:
    each = "; ".join(f"{trial.number}: {number(trial.value)}" for trial in result.trials if trial.value is not None)
    return Plot(picture(history_figure(result)), f"{METRICS_IN_WORDS[result.metric]} of every complete trial. {each}.")


def _importance_plot(result: TuningResult) -> Plot | None:
    if not result.importance.shares:
        return None
    shares = "; ".join(f"{name} {share:.0%}" for name, share in result.importance.shares.items())
    return Plot(picture(importance_figure(result.importance)), f"Importance of the settings: {shares}.")
