"""The candidate: a pretrained network taught the classes of this data."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.models.checkpoint import save_weights
from quality_gate.models.export import export_onnx
from quality_gate.models.folder import ModelFolder
from quality_gate.models.manifest import ONNX_FILE, WEIGHTS_FILE, ModelManifest, file_digest
from quality_gate.models.zoo import TransferNetwork
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.training.features import Row, Seen
from quality_gate.training.fit import fit
from quality_gate.training.head import LinearHead, train_head
from quality_gate.training.history import Epoch, TrainingHistory
from quality_gate.training.objective import Rows
from quality_gate.training.pretrained import pretrained
from quality_gate.training.recipe import fine_tuning
from quality_gate.training.resume import Checkpoint

if TYPE_CHECKING:
    import torch

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.home import Home
    from quality_gate.progress import Reporter
    from quality_gate.settings import TrainingSettings, TransferSettings

# Features, class numbers, duplicate groups and seed in, as of `train_head`; the head out.
HeadTrainer = Callable[["NDArray[np.float32]", "NDArray[np.int64]", "NDArray[np.int64]", int], LinearHead]


@dataclass(frozen=True)
class TransferResult:
    """A trained candidate.

    Attributes:
        network: in evaluation mode, on the CPU.
        spec: how photos become its input.
        history: the passes of fine-tuning; epoch 0 is the head on frozen features.
        inverse_regularisation: the C of the head that cross-validation chose.
    """

    network: TransferNetwork
    spec: PreprocessingSpec
    history: TrainingHistory
    inverse_regularisation: float


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
) -> TransferResult:
    """Train the head to convergence on frozen features, then the last blocks.

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
        UserError: the model is not in the zoo, or its weights cannot be had.
    """
    import torch

    torch.manual_seed(seed)
    start = pretrained(settings, len(train.classes), home, workers=workers)
    network = start.network

    recipe = fine_tuning(settings, stages=len(network.tail), photos=len(train), seed=seed)
    finetune = recipe.epochs > 0
    rows = training_rows(settings)
    look = partial(start.backbone.see, seed=seed, activations=finetune)
    learnt = train.repeated(hard_negatives, copies)
    seen = look(learnt, rows, on_progress=reporter.progress("features of train"))
    held_out = look(validation, [Row(settings.views[0])], on_progress=reporter.progress("features of validation"))
    labels = learnt.labels.repeat(len(rows))

    reporter.say("head: logistic regression on frozen features")
    head = learn_head(seen.features, labels, learnt.groups.repeat(len(rows)), seed)
    _set_head(network, head)
    if len(train) < settings.finetune_min_photos:
        reporter.say(f"{len(train)} photos: too few to fine-tune (transfer.finetune_min_photos)")

    def tell(epoch: Epoch) -> None:
        reporter.say(str(epoch))
        if on_epoch:
            on_epoch(epoch)

    history = fit(
        network.tail_and_head() if finetune else network.head,
        Rows(_inputs(seen), labels),
        Rows(_inputs(held_out), validation.labels),
        recipe,
        start.device,
        stages=tuple(network.tail),
        freeze_batch_norm=True,
        on_epoch=tell,
        checkpoint=Checkpoint(home.checkpoints / f"{key}.safetensors", key, reporter.say) if key else None,
    )
    return TransferResult(network.cpu().eval(), start.spec, history, head.inverse_regularisation)


def training_rows(settings: TransferSettings) -> list[Row]:
    """The rows of each training photo: its views, then the changed copies of the first."""
    plain = [Row(view) for view in settings.training_views]
    return plain + [Row(settings.training_views[0], copy) for copy in range(1, settings.augmented_views + 1)]


def save_candidate(
    result: TransferResult, settings: TrainingSettings, classes: tuple[str, ...], digests: dict[str, str], folder: Path
) -> ModelFolder:
    """Write a trained candidate as a model folder: weights, exported network, manifest.

    Args:
        result: the trained candidate.
        settings: of the run.
        classes: labels in the order of the logits.
        digests: of what it was made from.
        folder: an empty folder.
    """
    save_weights(result.network, folder)
    export_onnx(result.network, result.spec.size, folder)
    ModelManifest(
        name=settings.name,
        architecture=settings.transfer.model,
        classes=classes,
        preprocessing=result.spec,
        digests={
            **digests,
            "weights": file_digest(folder / WEIGHTS_FILE),
            "onnx": file_digest(folder / ONNX_FILE),
        },
    ).save(folder)
    return ModelFolder(folder)


def _inputs(seen: Seen) -> torch.Tensor:
    import torch

    return torch.from_numpy(seen.features) if seen.activations is None else seen.activations


def _set_head(network: TransferNetwork, head: LinearHead) -> None:
    import torch

    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.weight))
        network.head.bias.copy_(torch.from_numpy(head.bias))
