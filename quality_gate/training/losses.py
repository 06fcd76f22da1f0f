"""Cross-entropy of soft targets, with class weights and the focal factor; smoothed and mixed targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class FocalCrossEntropy:
    """Mean over rows of −Σ_c w_c t_c (1 − p_c)^γ log p_c (Lin et al. 2017); with γ = 0 plain cross-entropy.

    Attributes:
        weights: weight w of each class, shape (classes,).
        gamma: γ, 0 or more.
    """

    weights: torch.Tensor
    gamma: float = 0.0

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of logits against targets t that sum to 1 a row, both of shape (rows, classes)."""
        import torch

        logarithms = logits.float().log_softmax(dim=1)
        terms = targets * logarithms
        if self.gamma:
            # Not 1 − p: at a probability near 1 nothing of the difference would be left, and its root has no slope.
            terms = (-torch.expm1(logarithms)).clamp_min(1e-6) ** self.gamma * terms
        return -(terms @ self.weights).mean()


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Weight of each class, inverse to how frequent it is: rows weigh 1 in the mean; an absent class weighs 0.

    Args:
        labels: class numbers 0..C−1, shape (rows,).
        classes: their number C.
    """
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, dtype=np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights


def soft_targets(labels: torch.Tensor, classes: int, smoothing: float) -> torch.Tensor:
    """Targets (rows, classes): 1 − ε + ε/C for the class of the row, ε/C for the others (Szegedy et al. 2016)."""
    import torch

    hard = torch.nn.functional.one_hot(labels, classes).float()
    return hard * (1 - smoothing) + smoothing / classes


def mixup(inputs: torch.Tensor, targets: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix every row with another one, and their targets alike: λ a + (1 − λ) b, one λ ~ Beta(α, α) a batch.

    On photos this is mixup (Zhang et al. 2018). On the activations of a frozen trunk it is manifold mixup (Verma et al.
    2019) at one fixed layer.

    Args:
        inputs: shape (rows, ...).
        targets: shape (rows, classes).
        alpha: above 0; the smaller, the closer a mixed row is to one of the two.
    """
    import torch

    share = torch.distributions.Beta(alpha, alpha).sample().to(inputs, non_blocking=True)
    partner = torch.randperm(len(inputs), device="cpu").to(inputs.device, non_blocking=True)
    return torch.lerp(inputs[partner], inputs, share), torch.lerp(targets[partner], targets, share)
