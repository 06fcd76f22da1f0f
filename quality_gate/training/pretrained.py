"""The pretrained network of a run, ready to look at photos and to be taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.models.weights import WeightsNotFetched, load_pretrained, load_taught
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
        architecture: its name in the zoo.
        missing: why networks that the settings name before it were passed over, by name.
    """

    network: TransferNetwork
    spec: PreprocessingSpec
    device: torch.device
    backbone: FrozenBackbone
    architecture: str
    missing: dict[str, str]


def pretrained(settings: TransferSettings, n_classes: int, home: Home, *, workers: int) -> Pretrained:
    """Build the network that the settings name, or the first of their fallback whose weights can be had.

    Args:
        settings: the network and how photos become its input.
        n_classes: logits of its head.
        home: where weights and features are kept.
        workers: threads of the frozen backbone.

    Raises:
        UserError: a model is not in the zoo, or the weights of none of them can be had.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    arch, network, missing = _first_to_be_had(settings, n_classes, home.weights)
    spec = PreprocessingSpec(settings.size, settings.views, arch.mean, arch.std)
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    network.trunk.requires_grad_(False)
    backbone = FrozenBackbone(network, spec, device, home.features, workers=workers)
    return Pretrained(network, spec, device, backbone, arch.name, missing)


def _first_to_be_had(
    settings: TransferSettings, n_classes: int, cache: Path
) -> tuple[Architecture, TransferNetwork, dict[str, str]]:
    """The network, and why those before it were passed over, by name."""
    missing: dict[str, str] = {}
    for name in (settings.model, *settings.fallback):
        # A file of weights is one of the first network.
        file = settings.weights_file if name == settings.model else None
        arch = architecture(name)
        require_size(arch, settings.size)
        try:
            return arch, _assembled(arch, file, settings.finetune_stages, n_classes, cache), missing
        except WeightsNotFetched as error:
            missing[name] = error.message
    raise WeightsNotFetched(" ".join(missing.values()))


def _assembled(
    arch: Architecture, file: str | None, stages: int | None, n_classes: int, cache: Path
) -> TransferNetwork:
    if file is not None:
        network = assemble(arch.build(), arch, n_classes, stages)
        if load_taught(network, file):
            return network
    return assemble(load_pretrained(arch, file, cache), arch, n_classes, stages)
