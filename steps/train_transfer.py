"""The candidate: a pretrained network taught the classes of this data, or several that answer as one."""

import json
from functools import partial
from hashlib import sha256
from typing import Annotated

from zenml import step

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.ensemble_settings import EnsembleSettings
from quality_gate.models.folder import ModelFolder
from quality_gate.training.history import TrainingHistory
from quality_gate.transfer_settings import TransferSettings
from steps.context import experiment_run, not_to_be_kept, run_name, temporary_folder


@step
def train_transfer(
    name: str,
    snapshot: Snapshot,
    split: SplitResult,
    settings: TransferSettings,
    ensemble: EnsembleSettings,
    seed: int,
    hard_negatives: list[str],
    copies: int,
) -> tuple[Annotated[ModelFolder, "trained_model"], Annotated[TrainingHistory, "training_history"]]:
    """Train the head on frozen features, then the last blocks; export the result.

    Args:
        name: the gate.
        snapshot: the photos.
        split: how they are divided.
        settings: of the candidate.
        ensemble: of the networks that answer with it.
        seed: of every random choice.
        hard_negatives: SHA-256 of reviewed photos that the model had answered wrongly.
        copies: how often each of them counts in training.

    Raises:
        UserError: the pretrained weights cannot be had.
    """
    from quality_gate.code_digest import code_digest
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.home import locate
    from quality_gate.processors import available_processors
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.figures import training_figure
    from quality_gate.settings import TrainingSettings
    from quality_gate.training.candidate import save_candidate
    from quality_gate.training.curves import TensorBoardCurves
    from quality_gate.training.ensemble import train_ensemble
    from quality_gate.training.threads import pin_threads
    from quality_gate.training.transfer import train_transfer

    pin_threads(settings.threads)
    photos = photo_sets(snapshot, split.table)
    run = experiment_run(name)
    chosen = TrainingSettings(name=name, seed=seed, transfer=settings, ensemble=ensemble)
    digests = {"data": snapshot.digest, "split": split.digest, "settings": chosen.digest, "code": code_digest()}
    home, reporter = locate(), ConsoleReporter()
    kept = {"home": home, "workers": available_processors(), "reporter": reporter}
    counted = {"hard_negatives": hard_negatives, "copies": copies}
    key = sha256(json.dumps([digests, sorted(hard_negatives), copies], sort_keys=True).encode()).hexdigest()
    with TensorBoardCurves(home.tensorboard(name) / run_name() if settings.tensorboard else None) as curves:
        # Of several networks the passes of the first alone are shown, and only once it is known which that is.
        shown = None if ensemble.members or settings.fallback else curves.add
        train = partial(train_transfer, photos.train, photos.validation, on_epoch=shown, **kept, **counted)
        result = train_ensemble(train, settings, ensemble, photos.validation, seed=seed, key=key, say=reporter.say)
        curves.add_all(result.history)
    if result.missing:
        # With the next run the weights that could not be had may be there.
        not_to_be_kept()
    for epoch in result.history.epochs:
        run.log_metrics(epoch.figures(), step=epoch.epoch)
    run.log_figure(training_figure(result.history.epochs), "training.png")
    return save_candidate(result, chosen, photos.train.classes, digests, temporary_folder()), result.history
