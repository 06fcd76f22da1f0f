"""The pretrained network of a run, ready to look at photos and to be taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.models.weights import load_pretrained, load_taught
from quality_gate.models.zoo import Architecture, TransferNetwork, architecture, assemble, require_size
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.training.features import FrozenBackbone

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from quality_gate.home import Home
    from quality_gate.transfer_settings import TransferSettings


@dataclass(frozen=True)
class Pretrained:
    """A pretrained network with a head that knows nothing yet.

    Attributes:
        network: on ``device``, in evaluation mode, its trunk frozen.
        spec: how photos become its input where it is served.
        device: where it is.
        backbone: the same network before it is taught anything.
    """

    network: TransferNetwork
    spec: PreprocessingSpec
    device: torch.device
    backbone: FrozenBackbone


def pretrained(settings: TransferSettings, n_classes: int, home: Home, *, workers: int) -> Pretrained:
    """Build the network that the settings name.

    Args:
        settings: the network and how photos become its input.
        n_classes: logits of its head.
        home: where weights and features are kept.
        workers: threads of the frozen backbone.

    Raises:
        UserError: the model is not in the zoo, or its weights cannot be had.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    arch = architecture(settings.model)
    require_size(arch, settings.size)
    spec = PreprocessingSpec(settings.size, settings.views, arch.mean, arch.std)
    network = _assembled(arch, settings, n_classes, home.weights)
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    network.trunk.requires_grad_(False)
    return Pretrained(network, spec, device, FrozenBackbone(network, spec, device, home.features, workers=workers))


def _assembled(arch: Architecture, settings: TransferSettings, n_classes: int, cache: Path) -> TransferNetwork:
    file = settings.weights_file
    if file is not None:
        network = assemble(arch.build(), arch, n_classes, settings.finetune_stages)
        if load_taught(network, file):
            return network
    return assemble(load_pretrained(arch, file, cache), arch, n_classes, settings.finetune_stages)
