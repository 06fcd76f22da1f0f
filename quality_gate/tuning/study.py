"""A study that is kept in a file: what was tried, in whichever run, and what is to be tried next."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality_gate.training.history import Epoch
from quality_gate.tuning.result import Importance, State, TrialRecord
from quality_gate.tuning.settings import TuningSettings
from quality_gate.tuning.space import Space

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

# Trials drawn at random, before those that are drawn near the good ones; a budget is mostly of a few dozens.
RANDOM_TRIALS = 8
# The median of fewer is no measure.
TRIALS_BEFORE_PRUNING = 4
# The head alone says little of what fine-tuning makes of it.
PASSES_BEFORE_PRUNING = 1
FEWEST_FOR_IMPORTANCE = 5


def study_key(digests: Mapping[str, str], space: Space, tuning: TuningSettings, seed: int) -> str:
    """Digest of all that has to be the same for trials to be compared; the budget is not.

    Args:
        digests: of photos, split, code and weights.
        space: the recipe, and what may be tried.
        tuning: of which metric and seed count.
        seed: of the trainings.
    """
    chosen = [space.recipe.model_dump(mode="json"), {name: repr(one) for name, one in space.dimensions.items()}]
    parts = [dict(digests), chosen, tuning.metric, tuning.seed, seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class KeptStudy:
    """The trials of a study in an optuna journal; only one process may use it at a time.

    Args:
        path: of the journal; made with its folder where it is not there.
        space: what may be tried.
        tuning: metric and seed.
    """

    def __init__(self, path: Path, space: Space, tuning: TuningSettings) -> None:
        from optuna import create_study
        from optuna.pruners import MedianPruner
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        path.parent.mkdir(parents=True, exist_ok=True)
        self._tuning = tuning
        self._study: Study = create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=path.stem,
            direction="maximize" if tuning.metric == "macro_f1" else "minimize",
            pruner=MedianPruner(TRIALS_BEFORE_PRUNING, PASSES_BEFORE_PRUNING),
            load_if_exists=True,
        )
        if not self._study.trials:
            self._study.enqueue_trial(space.recipe_parameters())
        for trial in self._study.trials:
            # Whoever was at it was killed.
            if trial.state.name == "RUNNING":
                self._study.tell(trial.number, state=_states()["stopped"])
                self._study.enqueue_trial(_drawn(trial))

    def ask(self) -> Trial:
        """The next trial: one that was interrupted, the recipe, or what the trials so far make promising.

        What is drawn depends on the trials before alone, so that an interrupted study goes on as if it had not been.
        """
        from optuna.samplers import TPESampler

        self._study.sampler = TPESampler(seed=self._tuning.seed + len(self.done()), n_startup_trials=RANDOM_TRIALS)
        return self._study.ask()

    def tell(self, trial: Trial, state: State, value: float | None, **facts: Any) -> None:
        """Note how a trial ended.

        Args:
            trial: the trial.
            state: how; one that was ``stopped`` is the first of the next run.
            value: of the metric, where it is complete.
            facts: what else a :class:`TrialRecord` keeps, as JSON values.
        """
        trial.set_user_attr("facts", {**facts, "state": state})
        self._study.tell(trial, value, state=_states()[state])
        if state == "stopped":
            self._study.enqueue_trial(_drawn(self._study.trials[trial.number]))

    def done(self) -> list[TrialRecord]:
        """The trials that ended by themselves."""
        return [record for record in self.records() if record.state != "stopped"]

    def records(self) -> list[TrialRecord]:
        """All trials that have ended, in order."""
        ended = [trial for trial in self._study.trials if trial.state.is_finished()]
        return [_record(number, trial) for number, trial in enumerate(ended, start=1)]

    def importance(self) -> Importance:
        """How much of the differences each setting explains (fANOVA: Hutter, Hoos and Leyton-Brown 2014)."""
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        complete = [trial for trial in self._study.trials if trial.state.name == "COMPLETE"]
        kinds = Counter(frozenset(trial.params) for trial in complete)
        names = max(kinds, key=lambda kind: (kinds[kind], len(kind)), default=frozenset())
        some = [trial for trial in complete if names <= set(trial.params)]
        differing = [name for name in sorted(names) if len({trial.params[name] for trial in some}) > 1]
        if len(some) < FEWEST_FOR_IMPORTANCE or not differing or len({trial.value for trial in some}) < 2:
            return Importance({}, len(some))
        evaluator = FanovaImportanceEvaluator(seed=self._tuning.seed)
        shares = get_param_importances(self._study, evaluator=evaluator, params=differing)
        return Importance({name: float(share) for name, share in shares.items()}, len(some))


def _drawn(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial was, or was to be, made of."""
    fixed: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return trial.params | fixed


def _states() -> dict[State, Any]:
    from optuna.trial import TrialState

    ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.FAIL)
    return dict(zip(("complete", "pruned", "failed", "stopped"), ended, strict=True))


def _record(number: int, trial: FrozenTrial) -> TrialRecord:
    # A trial whose process was killed could note nothing.
    facts = {"state": "stopped", "settings": {}, "epochs": [], "seconds": 0.0} | trial.user_attrs.get("facts", {})
    epochs = tuple(Epoch(**epoch) for epoch in facts.pop("epochs"))
    return TrialRecord(
        number=number, value=trial.value if facts["state"] == "complete" else None, epochs=epochs, **facts
    )
