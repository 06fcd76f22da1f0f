"""A trained candidate, and how it becomes a model folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.models.checkpoint import save_weights
from quality_gate.models.export import export_onnx
from quality_gate.models.folder import ModelFolder
from quality_gate.models.manifest import ONNX_FILE, WEIGHTS_FILE, ModelManifest, file_digest

if TYPE_CHECKING:
    from pathlib import Path

    from quality_gate.models.ensemble import EnsembleNetwork
    from quality_gate.models.member import Member
    from quality_gate.models.zoo import TransferNetwork
    from quality_gate.preprocess import PreprocessingSpec
    from quality_gate.settings import TrainingSettings
    from quality_gate.training.history import TrainingHistory


@dataclass(frozen=True)
class Candidate:
    """A trained network that wants to become the champion.

    Attributes:
        network: in evaluation mode, on the CPU.
        spec: how photos become its input.
        history: its passes; epoch 0 is the state before the first, the head on frozen features where there was one. Of
            an ensemble those of its first member.
        architecture: name of the network in the zoo; of an ensemble those of its members, joined by ``+``.
        members: of an ensemble.
        missing: networks that would have come first, whose weights could not be had.
    """

    network: TransferNetwork | EnsembleNetwork
    spec: PreprocessingSpec
    history: TrainingHistory
    architecture: str
    members: tuple[Member, ...] = ()
    missing: tuple[str, ...] = ()


def save_candidate(
    candidate: Candidate, settings: TrainingSettings, classes: tuple[str, ...], digests: dict[str, str], folder: Path
) -> ModelFolder:
    """Write a trained candidate as a model folder: weights, exported network, manifest.

    Args:
        candidate: what was trained.
        settings: of the run.
        classes: labels in the order of the logits.
        digests: of what it was made from.
        folder: an empty folder.
    """
    ModelManifest(
        name=settings.name,
        architecture=candidate.architecture,
        classes=classes,
        preprocessing=candidate.spec,
        members=candidate.members,
        digests=digests | write_network(candidate.network, candidate.spec.size, folder),
    ).save(folder)
    return ModelFolder(folder)


def write_network(network: TransferNetwork | EnsembleNetwork, size: int, folder: Path) -> dict[str, str]:
    """Write the weights of a network and the exported network into a folder.

    Args:
        network: or an ensemble, on the CPU.
        size: edge of its photos, in pixels.
        folder: where they are written.

    Returns:
        The SHA-256 of both files, by their names in the manifest.
    """
    save_weights(network, folder)
    export_onnx(network, size, folder)
    return {"weights": file_digest(folder / WEIGHTS_FILE), "onnx": file_digest(folder / ONNX_FILE)}
