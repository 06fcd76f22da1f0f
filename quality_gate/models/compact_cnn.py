"""A small network for small photos, without pretrained weights: six convolutions, halved in size after every two."""

from __future__ import annotations

from torch import nn

WIDTHS = (64, 128, 256)


def compact_cnn() -> nn.Sequential:
    """Three stages with random weights: photos (N, 3, S, S) to feature maps (N, 256, S/8, S/8)."""
    stages, channels = [], 3
    for width in WIDTHS:
        stages.append(nn.Sequential(*_convolution(channels, width), *_convolution(width, width), nn.MaxPool2d(2)))
        channels = width
    return nn.Sequential(*stages)


def _convolution(channels: int, width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
