"""Augmentation of whole batches of small photos, on the fly: mirrored, and shifted by a few pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Of the edge: 4 of 32 pixels, as is usual on CIFAR-10 (He et al. 2016, section 4.2).
MOST_SHIFT = 1 / 8


def mirror_half(photos: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Change left and right of each photo, shape (N, C, S, S), with probability 1/2."""
    import torch

    mirrored = (torch.rand(len(photos), generator=generator) < 0.5).to(photos.device, non_blocking=True)
    return torch.where(mirrored[:, None, None, None], photos.flip(3), photos)


def shift_and_mirror(photos: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror half of the photos, and shift each by at most an eighth of its edge; what comes in is a reflection.

    Args:
        photos: shape (N, C, S, S), on any device.
        generator: source of the randomness, of the processor.

    Returns:
        The same shape.
    """
    import torch

    edge = photos.shape[-1]
    most = round(MOST_SHIFT * edge)
    padded = torch.nn.functional.pad(mirror_half(photos, generator), (most, most, most, most), mode="reflect")
    shifts = torch.randint(2 * most + 1, (2, len(photos)), generator=generator)
    down, right = shifts.to(photos.device, non_blocking=True)
    windows = padded.unfold(2, edge, 1).unfold(3, edge, 1)
    return windows[torch.arange(len(photos), device=photos.device), :, down, right]
