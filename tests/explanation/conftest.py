"""Small networks of the zoo's own kind, one of them trained to tell colours of patches apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from torch import Tensor

    from quality_gate.models.zoo import TransferNetwork

SIZE, PATCH, CLASSES = 32, 8, 3
_FEATURES = 5


@pytest.fixture(scope="session")
def small_network() -> Callable[..., TransferNetwork]:
    """Makes a random network: two convolutions, 4 x 4 places; smooth where ``smooth`` is true."""
    return _small_network


@pytest.fixture(scope="session")
def patches() -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """Draws photos, each a patch of the colour of its class on noise: photos, classes, and corners (row, column)."""
    return _patches


@pytest.fixture(scope="session")
def trained() -> TransferNetwork:
    """A small network that knows the patches."""
    import torch

    network = _small_network(0).train()
    parameters = list(network.parameters())
    for step in range(60):
        photos, classes, _ = _patches(32, seed=step)
        loss = torch.nn.functional.cross_entropy(network(photos), classes)
        # By hand: to import the optimisers takes longer than to train.
        with torch.no_grad():
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter -= 0.3 * gradient
    network.eval()
    photos, classes, _ = _patches(200, seed=1000)
    assert float((network(photos).argmax(dim=1) == classes).float().mean()) > 0.95
    return network


@pytest.fixture
def write_network(tmp_path: Path) -> Callable[..., Path]:
    """Writes a network: patches, pooled, weighed; ``factor`` is what the logits are multiplied by at the end."""

    def write(
        *, factor: float = 1.0, maps: str = "feature_maps", head: tuple[str, str] = ("head.weight", "head.bias")
    ) -> Path:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
        from safetensors.numpy import save_file

        rng = np.random.default_rng(3)
        patches = rng.normal(size=(_FEATURES, 3, 8, 8)).astype(np.float32)
        weight = rng.normal(size=(CLASSES, _FEATURES)).astype(np.float32)
        bias = rng.normal(size=CLASSES).astype(np.float32)
        graph = helper.make_graph(
            [
                helper.make_node("Conv", ["photos", "patches"], [maps], strides=[8, 8]),
                helper.make_node("GlobalAveragePool", [maps], ["pooled"]),
                helper.make_node("Flatten", ["pooled"], ["features"]),
                helper.make_node("Gemm", ["features", "weight", "bias"], ["raw"], transB=1),
                helper.make_node("Mul", ["raw", "factor"], ["logits"]),
            ],
            "network",
            [helper.make_tensor_value_info("photos", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES]),
                helper.make_tensor_value_info(maps, TensorProto.FLOAT, ["n", _FEATURES, 4, 4]),
            ],
            [
                numpy_helper.from_array(value, name)
                for name, value in {
                    "patches": patches, "weight": weight, "bias": bias, "factor": np.float32(factor).reshape(1),
                }.items()
            ],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, tmp_path / "model.onnx")
        save_file(dict(zip(head, (weight, bias), strict=True)), tmp_path / "weights.safetensors")
        return tmp_path

    return write


def _small_network(seed: int, *, smooth: bool = False, exact_maps: bool = True) -> TransferNetwork:
    import torch
    from torch import nn

    from quality_gate.models.zoo import TransferNetwork

    torch.manual_seed(seed)
    active = nn.Tanh if smooth else nn.ReLU
    stages = [
        nn.Sequential(nn.Conv2d(3, 8, 5, stride=4, padding=1), nn.BatchNorm2d(8), active()),
        nn.Sequential(nn.Conv2d(8, 12, 3, stride=2, padding=1), active()),
    ]
    return TransferNetwork(stages, 1, 12, CLASSES, exact_maps).eval()


def _patches(count: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    import torch

    draw = torch.Generator().manual_seed(seed)
    photos = 0.3 * torch.randn(count, 3, SIZE, SIZE, generator=draw)
    classes = torch.randint(CLASSES, (count,), generator=draw)
    corners = torch.randint(SIZE - PATCH + 1, (count, 2), generator=draw)
    for photo, label, (row, column) in zip(photos, classes.tolist(), corners.tolist(), strict=True):
        photo[label, row : row + PATCH, column : column + PATCH] += 2
    return photos, classes, corners
