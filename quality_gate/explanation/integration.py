"""Integrated gradients (Sundararajan et al. 2017, "Axiomatic attribution for deep networks"), up to a known error.

Contributions of the pixels are integrals of the gradient on the straight way from a baseline to the photo. Their sum is
the difference of the logits ("completeness"), also on every stretch of the way; so the error of every stretch is known.
Equal steps, as they are common, can miss half of the difference, for the gradient changes wildly where the photo
is hardly there. Here stretches with the largest errors are halved until neither one error nor their sum is above 1%.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from quality_gate.explanation.settings import Baseline
    from quality_gate.models.zoo import TransferNetwork
    from quality_gate.preprocess import PreprocessingSpec

# Of the difference of the logits: what the contributions may miss of it.
TOLERANCE = 0.01

# Gradients on a stretch, by Gauss and Legendre, and stretches that are computed at once.
_STEPS, _AT_ONCE = 4, 8

# Stretches are halved together whose errors are no smaller than the largest by more than this factor.
_SPREAD = 4

# Ends of the first stretches: short where the photo is hardly there.
_ENDS = (0.0, *(2.0**exponent for exponent in range(-7, 1)))

# Standard deviation of the blur, as a share of the edge of the photo.
_BLUR = 1 / 16


@dataclass(frozen=True)
class _Stretch:
    """A part of the way; 0 is the baseline and 1 the photo.

    Attributes:
        begin: where it begins.
        end: where it ends.
        values: contributions of the pixels on it, shape (S, S).
        error: by how much they miss the difference of the logits at its ends.
    """

    begin: float
    end: float
    values: NDArray[np.float32]
    error: float

    @property
    def halves(self) -> tuple[tuple[float, float], tuple[float, float]]:
        middle = (self.begin + self.end) / 2
        return (self.begin, middle), (middle, self.end)


def baseline(photos: Tensor, kind: Baseline, spec: PreprocessingSpec) -> Tensor:
    """The photos without evidence, shape (N, 3, S, S).

    Args:
        photos: normalised, shape (N, 3, S, S).
        kind: see :class:`~quality_gate.explanation.settings.ExplanationSettings`.
        spec: what the photos were normalised by.
    """
    import torch

    if kind == "mean":
        return torch.zeros_like(photos)
    if kind == "black":
        black = -photos.new_tensor(spec.mean) / photos.new_tensor(spec.std)
        return black[None, :, None, None].expand_as(photos)
    from torchvision.transforms.functional import gaussian_blur

    sigma = _BLUR * photos.shape[-1]
    # The kernel reaches two deviations to either side; its size must be odd.
    blurred: Tensor = gaussian_blur(photos, kernel_size=[2 * round(2 * sigma) + 1] * 2, sigma=[sigma, sigma])
    return blurred


def integrate(
    network: TransferNetwork, photos: Tensor, baselines: Tensor, targets: Sequence[int], *, most_steps: int
) -> NDArray[np.float64]:
    """What each pixel adds to the logit of a class between a baseline and a photo.

    Args:
        network: in evaluation mode.
        photos: shape (N, 3, S, S).
        baselines: where their ways begin, shape (N, 3, S, S).
        targets: the class of each photo, by its index.
        most_steps: gradients for a photo after which no stretch is halved any more.

    Returns:
        Shape (N, S, S), summed over channels, in units of the logit. A map's sum is the logit of the photo less that of
        its baseline within 1%, unless the steps were too few, which is logged as a warning.
    """
    ways = zip(photos.detach(), baselines, targets, strict=True)
    return np.stack([_integrate(network, photo, start, target, most_steps) for photo, start, target in ways])


def _integrate(
    network: TransferNetwork, photo: Tensor, start: Tensor, target: int, most_steps: int
) -> NDArray[np.float64]:
    import torch

    with torch.inference_mode():
        logits = network(torch.stack([start, photo]))[:, target]
    allowed = TOLERANCE * abs(float(logits[1] - logits[0]))
    known: list[_Stretch] = []
    new = list(pairwise(_ENDS))
    steps = 0
    while new:
        known += _stretches(network, photo, start, target, new)
        steps += _STEPS * len(new)
        largest = max(abs(each.error) for each in known)
        # Large errors that happen to cancel each other would be no contributions to rely on.
        missed = max(largest, abs(sum(each.error for each in known)))
        if missed <= allowed:
            break
        if steps >= most_steps:
            logging.getLogger(__name__).warning(
                "integrated gradients: after %d gradients the contributions still miss %.2g of the difference of the "
                "logits, which is %.2g; allow more steps",
                steps, missed, allowed / TOLERANCE,
            )  # fmt: skip
            break
        coarse = [each for each in known if abs(each.error) >= largest / _SPREAD]
        new = [half for each in coarse for half in each.halves]
        known = [each for each in known if abs(each.error) < largest / _SPREAD]
    summed: NDArray[np.float64] = np.sum([each.values for each in known], axis=0, dtype=np.float64)
    return summed


def _stretches(
    network: TransferNetwork, photo: Tensor, start: Tensor, target: int, ends: list[tuple[float, float]]
) -> Iterator[_Stretch]:
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(network)
    for first in range(0, len(ends), _AT_ONCE):
        group = ends[first : first + _AT_ONCE]
        points = start + photo.new_tensor(group)[:, :, None, None, None] * (photo - start)
        values, errors = method.attribute(
            points[:, 1], points[:, 0], target=target, n_steps=_STEPS, return_convergence_delta=True
        )
        summed = values.detach().sum(dim=1).cpu().numpy()
        for (begin, end), value, error in zip(group, summed, errors.tolist(), strict=True):
            yield _Stretch(begin, end, value, error)
