"""The candidate: a pretrained network taught the classes of this data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.models.checkpoint import save_weights
from quality_gate.models.export import export_onnx
from quality_gate.models.folder import ModelFolder
from quality_gate.models.manifest import ONNX_FILE, WEIGHTS_FILE, ModelManifest, file_digest
from quality_gate.models.weights import load_pretrained
from quality_gate.models.zoo import TransferNetwork, architecture, assemble
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.training.features import pooled_features, read_views, trunk_activations
from quality_gate.training.fit import Rows, Schedule, fit
from quality_gate.training.head import LinearHead, train_head
from quality_gate.training.history import TrainingHistory

if TYPE_CHECKING:
    import torch

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.progress import Reporter
    from quality_gate.settings import TrainingSettings, TransferSettings


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
    weights_cache: Path,
    workers: int,
    reporter: Reporter,
) -> TransferResult:
    """Train the head to convergence on frozen features, then the last blocks.

    The trunk's activations of every photo and its augmented views are computed once; both stages use them. The
    fine-tuned state is kept only where it is better on the validation photos than the head alone.

    Raises:
        UserError: the model is not in the zoo, or its weights cannot be had.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    arch = architecture(settings.model)
    spec = PreprocessingSpec(settings.size, settings.resize, arch.mean, arch.std)
    torch.manual_seed(seed)
    network = assemble(load_pretrained(arch, settings.weights_file, weights_cache), arch, len(train.classes))
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    network.trunk.requires_grad_(False)

    def activations(photos: PhotoSet, views: int, task: str) -> torch.Tensor:
        rows = len(photos) * (1 + views)
        move = reporter.progress(task)
        return trunk_activations(
            network,
            photos.read(),
            # A photo's seed depends on its place alone, so the number of workers changes nothing.
            lambda place, photo: read_views(photo, spec, views, seed + place),
            device,
            workers=workers,
            on_progress=lambda done: move(done, rows),
        )

    views = 1 + settings.augmented_views
    train_inputs = activations(train, settings.augmented_views, "features of train")
    validation_rows = Rows(activations(validation, 0, "features of validation"), validation.labels)
    train_rows = Rows(train_inputs, train.labels.repeat(views))

    reporter.say("head: logistic regression on frozen features")
    head = train_head(
        pooled_features(network, train_rows.inputs, device), train_rows.labels, train.groups.repeat(views), seed
    )
    _set_head(network, head)
    history = fit(
        network.tail_and_head(),
        train_rows,
        validation_rows,
        Schedule(
            epochs=settings.finetune_epochs,
            rows_per_epoch=len(train),
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            batch_size=settings.batch_size,
            patience=settings.patience,
            seed=seed,
        ),
        device,
        freeze_batch_norm=True,
        on_epoch=lambda epoch: reporter.say(str(epoch)),
    )
    return TransferResult(network.cpu().eval(), spec, history, head.inverse_regularisation)


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


def _set_head(network: TransferNetwork, head: LinearHead) -> None:
    import torch

    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.weight))
        network.head.bias.copy_(torch.from_numpy(head.bias))
