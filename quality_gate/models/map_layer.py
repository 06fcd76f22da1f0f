"""Where a network of the zoo last looks at places: the layer that Grad-CAM takes its maps from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quality_gate.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from quality_gate.models.zoo import TransferNetwork


@dataclass(frozen=True)
class MapLayer:
    """A layer that has a value of each feature at each place.

    Attributes:
        module: the layer.
        grid: rows and columns of the places where they come one after another, behind tokens of the whole photo; None
            where the layer gives maps.
    """

    module: nn.Module
    grid: tuple[int, int] | None = None

    def as_maps(self, output: Tensor) -> Tensor:
        """What the layer gave, or a gradient of it, as maps (N, F, h, w)."""
        if self.grid is None:
            return output
        rows, columns = self.grid
        places = output[:, -rows * columns :].transpose(1, 2)
        return places.reshape(*places.shape[:2], rows, columns)


def map_layer(network: TransferNetwork, photo: Tensor) -> MapLayer:
    """The last layer of a network that still tells places apart.

    That is its last stage where the network averages feature maps; the input of the last attention of a transformer
    whose answer comes from a token of the whole photo (behind it the places no longer reach the answer); else the last
    convolution that gives more than one place.

    Args:
        network: of the zoo, in evaluation mode.
        photo: any input of it, shape (1, 3, S, S); the layers are found by running it.

    Raises:
        UserError: no layer tells places apart.
    """
    if network.exact_maps:
        return MapLayer(network.stages[-1])
    grid = _grid(network, photo)
    found = [layer for module, output in _run(network, photo) if (layer := _as_layer(module, output, grid))]
    of_tokens = [layer for layer in found if layer.grid]
    if not found:
        raise UserError("This network has no layer with maps for grad_cam; take saliency or integrated_gradients.")
    return (of_tokens or found)[-1]


def _run(network: TransferNetwork, photo: Tensor) -> list[tuple[nn.Module, Any]]:
    """The layers that may hold maps, in the order they run, with their outputs."""
    import torch
    from torch import nn

    ran: list[tuple[nn.Module, Any]] = []
    handles = [
        module.register_forward_hook(lambda module, _, output: ran.append((module, output)))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) or _is_norm_of_block(name)
    ]
    try:
        with torch.inference_mode():
            network(photo)
    finally:
        for handle in handles:
            handle.remove()
    return ran


def _is_norm_of_block(name: str) -> bool:
    # timm's transformers call the normalisation before the attention so, in all of their families.
    parts = name.split(".")
    return parts[-1] == "norm1" and "blocks" in parts


def _grid(network: TransferNetwork, photo: Tensor) -> tuple[int, int, int] | None:
    """Rows and columns of the patches that timm cuts a photo into, and how many tokens of the whole stand before."""
    backbone: Any = getattr(network.stages[-1], "model", None)
    patches: Any = getattr(backbone, "patch_embed", None)
    if not hasattr(patches, "dynamic_feat_size"):
        return None
    rows, columns = patches.dynamic_feat_size((photo.shape[2], photo.shape[3]))
    return rows, columns, getattr(backbone, "num_prefix_tokens", 0)


def _as_layer(module: nn.Module, output: Any, grid: tuple[int, int, int] | None) -> MapLayer | None:
    from torch import nn

    if isinstance(module, nn.Conv2d):
        return MapLayer(module) if output.shape[2] * output.shape[3] > 1 else None
    if grid is None or output.ndim != 3:
        return None
    rows, columns, before = grid
    # Blocks that work on fewer places than the photo was cut into have lost the grid.
    return MapLayer(module, (rows, columns)) if output.shape[1] == before + rows * columns else None
