"""The candidate: a network, pretrained where there are weights, taught the classes of this data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.models.zoo import TransferNetwork, architecture
from quality_gate.training.candidate import Candidate
from quality_gate.training.features import Row, Seen
from quality_gate.training.head import LinearHead, train_head
from quality_gate.training.history import Epoch
from quality_gate.training.objective import Rows
from quality_gate.training.pretrained import pretrained
from quality_gate.training.processes import fit_in_processes, process_count
from quality_gate.training.recipe import fine_tuning
from quality_gate.training.resume import Checkpoint
from quality_gate.training.scratch import train_from_scratch
from quality_gate.working_folder import working_folder

if TYPE_CHECKING:
    import torch

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.home import Home
    from quality_gate.progress import Reporter
    from quality_gate.transfer_settings import TransferSettings

# Features, class numbers, duplicate groups and seed in, as of `train_head`; the head out.
HeadTrainer = Callable[["NDArray[np.float32]", "NDArray[np.int64]", "NDArray[np.int64]", int], LinearHead]


def train_transfer(
    train: PhotoSet,
    validation: PhotoSet,
    settings: TransferSettings,
    *,
    seed: int,
    home: Home,
    workers: int,
    reporter: Reporter,
    key: str = "",
    hard_negatives: Collection[str] = (),
    copies: int = 1,
    learn_head: HeadTrainer = train_head,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Candidate:
    """Train the head to convergence on frozen features, then the last blocks; without published weights, everything.

    What the frozen backbone sees of every photo is computed once and kept; both stages use it. With few photos the
    head alone is the candidate; the fine-tuned state is kept only where it is better on the validation photos. Where a
    photo is served in several views, validation looks at the first.

    Hard negatives are rows several times, not rows of a weight: the training weighs classes and no rows, and a row that
    is there twice is the same to the head, to the sampler and to a pass through all rows. Classes stay as important as
    they were to each other: a hard negative gains what the other photos of its class lose.

    Args:
        train: the photos to learn from.
        validation: the photos that choose the epoch.
        settings: of the candidate.
        seed: of every random choice.
        home: where weights, features and checkpoints are kept.
        workers: threads that read photos.
        reporter: told how far it is.
        key: digest of all that determines the training: interrupted, it is continued where the same is asked for
            again; '' starts from the beginning.
        hard_negatives: SHA-256 of photos that a model has answered wrongly; those that are not in ``train`` are passed
            over.
        copies: how often each of them counts in training.
        learn_head: fits the head on the frozen features.
        on_epoch: called after every pass; what it raises ends the training.

    Raises:
        UserError: the model is not in the zoo, its weights cannot be had, there are fewer GPUs than processes are asked
            for, or one of the processes failed.
    """
    # Before anything is computed for them.
    process_count(settings.processes, settings.batch_size)

    def tell(epoch: Epoch) -> None:
        reporter.say(str(epoch))
        if on_epoch:
            on_epoch(epoch)

    checkpoint = Checkpoint(home.checkpoints / f"{key}.safetensors", key, reporter.say) if key else None
    learnt = train.repeated(hard_negatives, copies)
    if not architecture(settings.model).pretrained:
        learn = partial(train_from_scratch, workers=workers)
    else:
        learn = partial(_train_pretrained, workers=workers, home=home, learn_head=learn_head, photos=len(train))
    with tempfile.TemporaryDirectory(dir=working_folder(home.working)) as folder:
        return learn(
            learnt,
            validation,
            settings,
            seed=seed,
            reporter=reporter,
            on_epoch=tell,
            checkpoint=checkpoint,
            folder=Path(folder),
        )


def _train_pretrained(
    train: PhotoSet,
    validation: PhotoSet,
    settings: TransferSettings,
    *,
    photos: int,
    seed: int,
    home: Home,
    workers: int,
    reporter: Reporter,
    learn_head: HeadTrainer,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None,
    folder: Path,
) -> Candidate:
    """The candidate of a pretrained network; ``photos``: how many different ones ``train`` has."""
    import torch

    torch.manual_seed(seed)
    start = pretrained(settings, len(train.classes), home, workers=workers)
    network = start.network
    for name, reason in start.missing.items():
        reporter.say(f"{start.architecture} is taken in place of {name}. {reason}")

    recipe = fine_tuning(settings, stages=len(network.tail), photos=photos, seed=seed)
    finetune = recipe.epochs > 0
    rows = training_rows(settings)
    look = partial(start.backbone.see, seed=seed, activations=finetune, folder=folder)
    seen = look(train, rows, on_progress=reporter.progress("features of train"))
    held_out = look(validation, [Row(settings.views[0])], on_progress=reporter.progress("features of validation"))
    labels = train.labels.repeat(len(rows))

    reporter.say("head: logistic regression on frozen features")
    head = learn_head(seen.features, labels, train.groups.repeat(len(rows)), seed)
    _set_head(network, head)
    if photos < settings.finetune_min_photos:
        reporter.say(f"{photos} photos: too few to fine-tune (transfer.finetune_min_photos)")

    history = fit_in_processes(
        process_count(settings.processes, settings.batch_size),
        network.tail_and_head() if finetune else network.head,
        Rows(_inputs(seen), labels),
        Rows(_inputs(held_out), validation.labels),
        recipe,
        start.device,
        stages=tuple(network.tail),
        freeze_batch_norm=True,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    return Candidate(network.cpu().eval(), start.spec, history, start.architecture, missing=tuple(start.missing))


def training_rows(settings: TransferSettings) -> list[Row]:
    """The rows of each training photo: its views, then the changed copies of the first."""
    plain = [Row(view) for view in settings.training_views]
    return plain + [Row(settings.training_views[0], copy) for copy in range(1, settings.augmented_views + 1)]


def _inputs(seen: Seen) -> torch.Tensor:
    import torch

    return torch.from_numpy(seen.features) if seen.activations is None else seen.activations


def _set_head(network: TransferNetwork, head: LinearHead) -> None:
    import torch

    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.weight))
        network.head.bias.copy_(torch.from_numpy(head.bias))
