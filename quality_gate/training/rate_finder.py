"""The learning-rate range test (Smith 2017): raise the rate step by step until the loss runs away."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

LOWEST, HIGHEST, STEPS = 1e-6, 1e-1, 60
SMOOTHING = 0.9
RUNAWAY = 4.0


def find_learning_rate(
    network: nn.Module, batches: Iterable[torch.Tensor], loss_of: Callable[[nn.Module, torch.Tensor], torch.Tensor]
) -> float:
    """A tenth of the rate at which the smoothed loss of AdamW was lowest.

    The rate rises by the same factor from step to step; the test ends when the loss exceeds four times its lowest.
    A copy of the network is trained; the network, and the state of torch's random numbers, stay as they are.

    Args:
        network: in training mode.
        batches: rows of each step, at most ``STEPS`` are used.
        loss_of: loss of a network on rows.
    """
    import torch

    trial = copy.deepcopy(network)
    optimiser = torch.optim.AdamW([p for p in trial.parameters() if p.requires_grad], lr=LOWEST)
    average, lowest, found = 0.0, math.inf, LOWEST
    with torch.random.fork_rng(devices=[]):
        for step, rows in zip(range(STEPS), batches, strict=False):
            rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
            optimiser.param_groups[0]["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(trial, rows)
            torch.autograd.backward(loss)
            optimiser.step()
            average = SMOOTHING * average + (1 - SMOOTHING) * loss.item()
            smoothed = average / (1 - SMOOTHING ** (step + 1))
            if smoothed < lowest:
                lowest, found = smoothed, rate
            if not smoothed < RUNAWAY * lowest:
                break
    return found / 10
