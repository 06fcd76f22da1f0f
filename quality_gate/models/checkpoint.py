"""A trained network on disk: ``weights.safetensors`` beside its manifest; no pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.models.manifest import WEIGHTS_FILE, ModelManifest, UnknownModelFormat
from quality_gate.models.zoo import architecture, assemble

if TYPE_CHECKING:
    from torch import nn

    from quality_gate.models.ensemble import EnsembleNetwork
    from quality_gate.models.zoo import TransferNetwork


def save_weights(network: nn.Module, folder: Path) -> None:
    """Write the tensors of ``network`` into ``folder``."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / WEIGHTS_FILE)


def load_network(folder: Path) -> TransferNetwork | EnsembleNetwork:
    """Rebuild the trained network of a model folder, or its ensemble, in evaluation mode.

    Raises:
        UnknownModelFormat: the folder holds no model, or weights that do not fit its architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    manifest = ModelManifest.load(folder)
    network = _untrained(manifest)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS_FILE), strict=True)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).split("\n")[0]
        raise UnknownModelFormat(
            f"{folder / WEIGHTS_FILE}: not the weights of {manifest.architecture} ({reason})"
        ) from None
    return network.eval()


def _untrained(manifest: ModelManifest) -> TransferNetwork | EnsembleNetwork:
    if not manifest.members:
        return _of_zoo(manifest.architecture, manifest)
    from quality_gate.models.ensemble import EnsembleNetwork

    networks = [_of_zoo(member.architecture, manifest) for member in manifest.members]
    return EnsembleNetwork(networks, manifest.members, manifest.preprocessing)


def _of_zoo(name: str, manifest: ModelManifest) -> TransferNetwork:
    arch = architecture(name)
    return assemble(arch.build(), arch, len(manifest.classes))
