"""The search itself: one trial after the other, until the trials or the minutes are used up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from quality_gate.errors import UserError
from quality_gate.evaluation.wording import number
from quality_gate.tuning.budget import Budget, TimeOver
from quality_gate.tuning.result import State, TrialRecord
from quality_gate.tuning.space import Space, encoded
from quality_gate.tuning.study import KeptStudy

if TYPE_CHECKING:
    from optuna import Trial

    from quality_gate.progress import Reporter
    from quality_gate.tracking import ExperimentRun
    from quality_gate.training.history import Epoch, TrainingHistory
    from quality_gate.transfer_settings import TransferSettings
    from quality_gate.tuning.settings import Metric, TuningSettings

# Trains with some settings; the function it is given hears of every pass, and may end the training by raising.
Attempt = Callable[["TransferSettings", Callable[["Epoch"], None]], "TrainingHistory"]

METRICS_IN_WORDS: Mapping[Metric, str] = {"macro_f1": "macro F1", "brier": "Brier score"}


class _Hopeless(Exception):
    """The trial is worse than the median of those before at the same pass."""


@dataclass
class _Listener:
    """Hears of the passes of a trial, and ends it where it is hopeless or the time is over."""

    trial: Trial
    metric: Metric
    budget: Budget
    run: ExperimentRun
    epochs: list[Epoch] = field(default_factory=list)

    def __call__(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        self.run.log_metrics(epoch.figures(), step=epoch.epoch)
        # Passes are compared by macro F1, whatever is tuned; where less is better, less of it is worse.
        self.trial.report(epoch.macro_f1 if self.metric == "macro_f1" else -epoch.macro_f1, epoch.epoch)
        if epoch.stop is not None:
            return
        if self.trial.should_prune():
            raise _Hopeless
        self.budget.check()


def search(
    study: KeptStudy,
    space: Space,
    tuning: TuningSettings,
    attempt: Attempt,
    *,
    budget: Budget,
    run: ExperimentRun,
    reporter: Reporter,
) -> None:
    """Try settings until the study has all its trials, or the time is over.

    Args:
        study: where they are kept.
        space: what may be tried.
        tuning: how many, and by which metric.
        attempt: trains with the settings of a trial.
        budget: of time.
        run: of the experiment tracker, below which each trial gets its own.
        reporter: told how far it is.

    Raises:
        UserError: the recipe itself cannot be trained with, or the time was not enough for it.
    """
    before = len(study.done())
    if before:
        reporter.say(f"tuning: goes on after {before} {'trial' if before == 1 else 'trials'} of earlier runs")
    while len(study.done()) < tuning.trials and not budget.is_over:
        trial = study.ask()
        _one_trial(trial, study, space, tuning, attempt, budget=budget, run=run, reporter=reporter)
    if not any(record.state == "complete" for record in study.done()):
        raise UserError(
            f"tuning.minutes is {tuning.minutes:g}, and they were over before the first trial, which is the recipe "
            "itself, was done; run it again with more: what was computed of the photos is kept."
        )


def _one_trial(
    trial: Trial,
    study: KeptStudy,
    space: Space,
    tuning: TuningSettings,
    attempt: Attempt,
    *,
    budget: Budget,
    run: ExperimentRun,
    reporter: Reporter,
) -> None:
    settings = space.suggest(trial)
    changes = {name: getattr(settings, name) for name in space.dimensions}
    changes = {name: value for name, value in changes.items() if value != getattr(space.recipe, name)}
    place = len(study.records()) + 1
    reporter.say(f"tuning: trial {place}: {in_words(changes) or 'the recipe'}")
    nested = run.nested(f"{place}: {in_words(changes) or 'the recipe'}"[:250])
    nested.log_parameters({"transfer": settings.model_dump(mode="json")})
    listener = _Listener(trial, tuning.metric, budget, nested)
    begun, note, value = budget.clock(), "", None
    state: State = "complete"
    try:
        best = attempt(settings, listener).best
        value = best.macro_f1 if tuning.metric == "macro_f1" else best.brier
    except _Hopeless:
        state = "pruned"
    except TimeOver:
        state = "stopped"
    except UserError as error:
        state, note = "failed", error.message
        if not study.done():
            nested.finish(succeeded=False)
            raise
    except BaseException:
        nested.finish(succeeded=False)
        raise
    study.tell(
        trial,
        state,
        value,
        settings=_plain(changes),
        epochs=[asdict(epoch) for epoch in listener.epochs],
        seconds=budget.clock() - begun,
        note=note,
    )
    nested.log_metrics({tuning.metric: value})
    nested.log_tags({"state": state})
    nested.finish(succeeded=state != "failed")
    reporter.say(_line(study.records(), tuning))


def in_words(settings: Mapping[str, Any]) -> str:
    """Settings in one line."""
    shown = {name: encoded(tuple(value) if isinstance(value, list) else value) for name, value in settings.items()}
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in shown.items()
    )


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON values."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def _line(records: list[TrialRecord], tuning: TuningSettings) -> str:
    last = records[-1]
    done = sum(record.state != "stopped" for record in records)
    values = [record.value for record in records if record.value is not None]
    best = (max if tuning.metric == "macro_f1" else min)(values, default=None)
    ending = {
        "complete": f"{METRICS_IN_WORDS[tuning.metric]} {number(last.value)}" if last.value is not None else "",
        "pruned": "ended early, worse than the median",
        "failed": f"failed: {last.note}",
        "stopped": "stopped, the time is over",
    }[last.state]
    so_far = "" if best is None else f", best so far {number(best)}"
    return f"tuning: trial {last.number} {ending}{so_far}; {done} of {tuning.trials} trials, {last.seconds:.0f} s"
