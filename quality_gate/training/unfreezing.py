"""Gradual unfreezing: the stages nearest to the answer learn first, those below them later (Howard and Ruder 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quality_gate.training.history import Epoch
from quality_gate.training.recipe import Unfreezing

if TYPE_CHECKING:
    from torch import nn


def open_stages(unfreezing: Unfreezing, stages: int, history: Sequence[Epoch]) -> int:
    """How many of the last stages learn in the pass that comes after ``history``.

    Args:
        unfreezing: when a stage is opened.
        stages: how many there are.
        history: all passes so far, that of the untrained state first.
    """
    if unfreezing == "at_once":
        return stages
    if unfreezing == "each_epoch":
        return min(len(history), stages)
    scores = [epoch.macro_f1 for epoch in history]
    fruitless = sum(score <= max(scores[:place]) for place, score in enumerate(scores) if place > 0)
    return min(1 + fruitless, stages)


class StageGate:
    """Opens and closes the parameters of stages; what was frozen before stays frozen.

    Args:
        stages: from input to output; none where everything learns at once.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        self._stages = [[p for p in stage.parameters() if p.requires_grad] for stage in stages]

    def __len__(self) -> int:
        return len(self._stages)

    def open_last(self, count: int) -> None:
        """Let the last ``count`` stages learn, and no other."""
        for place, parameters in enumerate(self._stages):
            for parameter in parameters:
                parameter.requires_grad_(place >= len(self._stages) - count)
                if not parameter.requires_grad:
                    parameter.grad = None
