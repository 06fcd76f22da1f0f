"""What tuning found: every trial, and the best settings as a run configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import yaml

from quality_gate.settings import TrainingSettings
from quality_gate.step_value import StepValue
from quality_gate.training.history import Epoch
from quality_gate.transfer_settings import TransferSettings
from quality_gate.tuning.settings import Metric

# Trained to its end; ended early, as too bad; impossible to train with; ended by the budget, to be begun again.
State = Literal["complete", "pruned", "failed", "stopped"]


@dataclass(frozen=True)
class TrialRecord:
    """One training.

    Attributes:
        number: from 1.
        state: how it ended.
        value: of the metric that is tuned; None for those that did not end well.
        settings: those of the candidate that are not the recipe's, by name.
        epochs: its passes; that of the head first.
        seconds: that it took.
        note: why it failed, in a sentence; else ''.
    """

    number: int
    state: State
    value: float | None
    settings: Mapping[str, Any]
    epochs: tuple[Epoch, ...]
    seconds: float
    note: str = ""

    @property
    def measured(self) -> float:
        """The value of a complete trial."""
        assert self.value is not None
        return self.value


@dataclass(frozen=True)
class Importance:
    """How much of the differences between trials each setting explains.

    Attributes:
        shares: by setting, the most important first; they add up to 1. Empty where there are too few trials to tell.
        trials: behind it; those in which all of these settings were drawn.
    """

    shares: Mapping[str, float]
    trials: int


@dataclass(frozen=True)
class TuningResult(StepValue):
    """All trials of a study.

    Attributes:
        metric: that is tuned.
        trials: in order; the first complete one is the recipe.
        importance: of the settings.
        photos: to train on.
        validation_photos: on which the metric was measured.
        study: digest of what the trials share.
    """

    metric: Metric
    trials: tuple[TrialRecord, ...]
    importance: Importance
    photos: int
    validation_photos: int
    study: str

    @property
    def recipe(self) -> TrialRecord:
        """The first trial that was trained to its end."""
        return next(trial for trial in self.trials if trial.state == "complete")

    @property
    def best(self) -> TrialRecord:
        """The trial with the best value; among equals the earliest, so that the recipe is kept where none is better."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        return max(complete, key=lambda trial: (self.goodness(trial), -trial.number))

    @property
    def gain(self) -> float:
        """By how much the best is better than the recipe, 0 or more."""
        return self.goodness(self.best) - self.goodness(self.recipe)

    def goodness(self, trial: TrialRecord) -> float:
        """The value of a trial, turned so that higher is better; −∞ for one without."""
        if trial.value is None:
            return -math.inf
        return trial.value if self.metric == "macro_f1" else -trial.value

    def count(self, state: State) -> int:
        """Trials that ended so."""
        return sum(trial.state == state for trial in self.trials)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TuningResult:
        """Rebuild a result from :meth:`to_json`."""
        trials = tuple(
            TrialRecord(**trial | {"epochs": tuple(Epoch(**epoch) for epoch in trial["epochs"])})
            for trial in values["trials"]
        )
        return cls(**values | {"trials": trials, "importance": Importance(**values["importance"])})


def overlay(settings: Mapping[str, Any]) -> str:
    """Settings of the candidate as a run configuration, to be laid over that of the recipe."""
    return _yaml({"parameters": {"transfer": dict(settings)}})


def configuration(run: TrainingSettings, settings: Mapping[str, Any]) -> str:
    """The whole run configuration that trains with some settings in place of those of a run.

    Args:
        run: the settings that were tuned, with absolute paths.
        settings: of the candidate, by name.
    """
    transfer = TransferSettings.model_validate(run.transfer.model_dump() | dict(settings))
    changed = run.model_copy(update={"transfer": transfer})
    # How it was tuned is nothing to train with.
    given = _difference(changed.model_dump(mode="json", exclude={"tuning"}), TrainingSettings().model_dump(mode="json"))
    return _yaml({"parameters": {"name": run.name, **given}})


def _difference(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not the defaults; names of classes have none."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in defaults:
            found[name] = value
        elif isinstance(value, dict) and isinstance(defaults[name], dict):
            found |= {name: inner} if (inner := _difference(value, defaults[name])) else {}
        elif value != defaults[name]:
            found[name] = value
    return found


def _yaml(values: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
