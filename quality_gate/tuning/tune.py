"""Tuning the candidate: what a trial trains, and on which photos."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.errors import UserError
from quality_gate.quiet_loggers import quiet
from quality_gate.training.head import LinearHead, train_head
from quality_gate.tuning.budget import Budget, BudgetedReporter
from quality_gate.tuning.result import TuningResult
from quality_gate.tuning.search import Attempt, search
from quality_gate.tuning.space import Space
from quality_gate.tuning.study import KeptStudy, study_key

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.home import Home
    from quality_gate.progress import Reporter
    from quality_gate.settings import TrainingSettings
    from quality_gate.tracking import ExperimentRun
    from quality_gate.training.history import Epoch, TrainingHistory
    from quality_gate.transfer_settings import TransferSettings


def tune(
    train: PhotoSet,
    validation: PhotoSet,
    settings: TrainingSettings,
    *,
    digests: Mapping[str, str],
    home: Home,
    workers: int,
    run: ExperimentRun,
    reporter: Reporter,
    clock: Callable[[], float] = time.monotonic,
) -> TuningResult:
    """Look for settings of the candidate that are better on the validation photos; no other photos have a say.

    The same photos, settings and code go on with the trials of earlier runs.

    Args:
        train: the photos each trial learns from.
        validation: the photos that choose.
        settings: of the run: ``transfer`` is the recipe to begin with.
        digests: of photos, split, code and weights.
        home: where the trials, weights and features are kept.
        workers: threads that read photos.
        run: of the experiment tracker.
        reporter: told how far it is.
        clock: of the budget, in seconds.

    Raises:
        UserError: there are too few photos, a range cannot hold the recipe, the recipe cannot be trained with, or the
            time was not enough for it.
    """
    import optuna

    _check_enough(train, validation)
    tuning = settings.tuning
    budget = Budget.of(tuning.minutes, clock)
    space = Space.around(settings.transfer, tuning.search, len(train))
    key = study_key(digests, space, tuning, settings.seed)
    attempt = _attempt(train, validation, settings.seed, home, workers, BudgetedReporter(reporter, budget))
    with quiet(optuna.__name__):
        study = KeptStudy(home.tuning(settings.name) / f"{key}.journal", space, tuning)
        search(study, space, tuning, attempt, budget=budget, run=run, reporter=reporter)
        importance = study.importance()
    return TuningResult(tuning.metric, tuple(study.records()), importance, len(train), len(validation), key)


class RememberedHeads:
    """Fits a head once for the same features: most trials change only what comes after it."""

    def __init__(self) -> None:
        self._heads: dict[str, LinearHead] = {}

    def __call__(
        self, features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int
    ) -> LinearHead:
        """The head of :func:`train_head`."""
        digest = hashlib.sha256(str(seed).encode())
        for array in (features, labels, groups):
            digest.update(np.ascontiguousarray(array).data)
        key = digest.hexdigest()
        if key not in self._heads:
            self._heads[key] = train_head(features, labels, groups, seed)
        return self._heads[key]


def _attempt(train: PhotoSet, validation: PhotoSet, seed: int, home: Home, workers: int, reporter: Reporter) -> Attempt:
    heads = RememberedHeads()

    def attempt(settings: TransferSettings, on_epoch: Callable[[Epoch], None]) -> TrainingHistory:
        from quality_gate.training.transfer import train_transfer

        return train_transfer(
            train,
            validation,
            settings,
            seed=seed,
            home=home,
            workers=workers,
            reporter=reporter,
            learn_head=heads,
            on_epoch=on_epoch,
        ).history

    return attempt


def _check_enough(train: PhotoSet, validation: PhotoSet) -> None:
    for role, photos in (("training", train), ("validation", validation)):
        missing = sorted(set(range(len(photos.classes))) - set(photos.labels.tolist()))
        if missing:
            raise UserError(
                f"tuning needs photos of each of the {len(photos.classes)} classes, and the {len(photos):,} {role} "
                f"photos have none of {photos.classes[missing[0]]!r}; add photos, or leave out rare classes with "
                "data.min_images_per_class."
            )
