"""From a trained network to the ONNX file that is served."""

from __future__ import annotations

import contextlib
import copy
import io
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.inference import FEATURE_MAPS, FEATURES, MEMBER_LOGITS, PHOTOS_INPUT
from quality_gate.models.manifest import ONNX_FILE
from quality_gate.quiet_loggers import quiet

if TYPE_CHECKING:
    from torch import Tensor, nn

    from quality_gate.models.ensemble import EnsembleNetwork
    from quality_gate.models.zoo import TransferNetwork


def export_onnx(network: nn.Module, size: int, folder: Path) -> Path:
    """Write ``model.onnx``: input ``photos`` (N, 3, size, size) float32, output ``logits`` (N, classes).

    A network whose pooling averages feature maps has a second output, ``feature_maps`` (N, F, h, w): what class
    activation maps are made of; another network of the zoo has ``features`` (N, F), what its last layer is given. They
    are handed out only to those who ask for them.

    Args:
        network: the trained network; it is put into evaluation mode.
        size: edge of the photos, in pixels.
        folder: where the file is written.

    Returns:
        The path of the file.
    """
    path = folder / ONNX_FILE
    exported, outputs = _with_what_it_sees(network.eval())
    _export(exported, size, outputs, path)
    return path


def export_backbone(network: TransferNetwork, size: int, path: Path) -> None:
    """Write the network without its head: photos in, ``features`` (N, F) and the trunk's ``activations`` out.

    Args:
        network: on the CPU; it is put into evaluation mode.
        size: edge of the photos, in pixels.
        path: the file; it appears when it is whole.
    """
    from torch import nn

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
            activations = self.network.trunk(photos)
            return self.network.features(activations), activations

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{uuid.uuid4().hex}.partial")
    try:
        _export(Backbone(), size, ["features", "activations"], partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _export(module: nn.Module, size: int, outputs: list[str], path: Path) -> None:
    import torch

    # Two photos: a batch of one would be taken for a constant.
    example = torch.zeros(2, 3, size, size)
    loggers = ("torch.onnx", "onnxscript", "onnx_ir")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet(*loggers):
        # The exporter warns of its own internals, which a user can do nothing about.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _without_in_place_writes(module.cpu().eval()),
            (example,),
            input_names=[PHOTOS_INPUT],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("photos")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    for node in program.model.graph.all_nodes():
        # Notes of the exporter: names of files and lines of code, which would make the same model another file.
        node.metadata_props.clear()
    program.save(path, external_data=False)


def _without_in_place_writes(module: nn.Module) -> nn.Module:
    """A copy that computes the same, of which the exporter makes the same graph in two thirds of the time."""
    copied = copy.deepcopy(module)
    for part in copied.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    return copied


def _with_what_it_sees(network: nn.Module) -> tuple[nn.Module, list[str]]:
    """The module to export, and the names of its outputs."""
    from torch import nn

    from quality_gate.models.ensemble import EnsembleNetwork
    from quality_gate.models.zoo import TransferNetwork

    if isinstance(network, EnsembleNetwork):
        first, (logits, seen) = _with_what_it_sees(network.first)
        return _with_members(network, first), [logits, seen, MEMBER_LOGITS]
    if not isinstance(network, TransferNetwork):
        return network, ["logits"]

    class WithFeatures(nn.Module):
        def __init__(self, whole: TransferNetwork) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
            features = self.whole.features(self.whole.trunk(photos))
            return self.whole.head(features), features

    if not network.exact_maps:
        return WithFeatures(network).eval(), ["logits", FEATURES]

    class WithFeatureMaps(nn.Module):
        def __init__(self, whole: TransferNetwork) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
            maps = self.whole.tail(self.whole.trunk(photos))
            return self.whole.head(self.whole.pooling(maps)), maps

    return WithFeatureMaps(network).eval(), ["logits", FEATURE_MAPS]


def _with_members(ensemble: EnsembleNetwork, first: nn.Module) -> nn.Module:
    """An ensemble that also gives what its first member sees, and the logits of all members."""
    import torch
    from torch import nn

    class WithMembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ensemble = ensemble
            self.first = first

        def forward(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            logits, seen = self.first(photos)
            others = [
                network(self.ensemble.seen_by(number, photos))
                for number, network in enumerate(self.ensemble.members)
                if number > 0
            ]
            of_members = torch.stack([logits, *others], dim=1)
            return self.ensemble.mix(of_members), seen, of_members

    return WithMembers().eval()
