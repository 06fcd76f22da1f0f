"""Small networks of the zoo's own kind, one of them trained to tell colours of patches apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor

    from quality_gate.models.zoo import TransferNetwork

SIZE, PATCH, CLASSES = 32, 8, 3


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
