"""An exponential moving average of weights: what the last steps have in common, without the noise of the last batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass
class WeightAverage:
    """A copy of a network whose parameters follow it slowly; its buffers are copied.

    The k-th step keeps min(decay, (1 + k) / (10 + k)) of the average, so that a training of few steps is not held
    back by the weights it began with. Not torch's `AveragedModel`, which waits for the GPU in every step.

    Attributes:
        module: the copy.
        decay: share of the average that a step keeps, in (0, 1).
        steps: how many were followed.
    """

    module: nn.Module
    decay: float
    steps: int = 0

    def update_parameters(self, network: nn.Module) -> None:
        """Follow the network by one step."""
        import torch

        kept = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.steps else 0.0
        with torch.no_grad():
            # All at once on a GPU, one after the other on the processor.
            torch._foreach_lerp_(list(self.module.parameters()), list(network.parameters()), 1 - kept)
            for average, value in zip(self.module.buffers(), network.buffers(), strict=True):
                average.copy_(value)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` takes."""
        return {"module": self.module.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.module.load_state_dict(state["module"])
        self.steps = state["steps"]


def averaged(network: nn.Module, decay: float) -> WeightAverage:
    """The average of a network that has taken no step yet."""
    return WeightAverage(copy.deepcopy(network), decay)
