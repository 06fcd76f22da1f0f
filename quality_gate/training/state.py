"""Everything a training carries from one pass to the next."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quality_gate.training.acceleration import Acceleration
from quality_gate.training.averaging import WeightAverage, averaged
from quality_gate.training.history import Epoch, TrainingHistory
from quality_gate.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.optim.lr_scheduler import ReduceLROnPlateau


@dataclass
class TrainingState:
    """What changes while training.

    Attributes:
        network: the network that learns.
        average: the moving average of its weights; None without one.
        optimiser: AdamW over all parameters that may ever learn.
        plateau: lowers the learning rate.
        peak_rate: the highest learning rate, where a schedule leads from step to step.
        scaler: of the losses where small gradients would vanish; else idle.
        generator: draws the rows.
        history: the passes so far.
        best: the state of the best pass.
    """

    network: nn.Module
    average: WeightAverage | None
    optimiser: torch.optim.Optimizer
    plateau: ReduceLROnPlateau
    peak_rate: float
    scaler: torch.amp.GradScaler
    generator: torch.Generator
    history: list[Epoch] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def start(
        cls, network: nn.Module, recipe: Recipe, device: torch.device, acceleration: Acceleration
    ) -> TrainingState:
        """The state before the first pass; also seeds torch, whose dropout has no generator of its own."""
        import torch

        torch.manual_seed(recipe.seed)
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(
            parameters,
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            # Not False, which would choose another loop over the weights than None.
            fused=acceleration.fused or None,
        )
        return cls(
            network=network,
            average=averaged(network, recipe.ema_decay) if recipe.ema_decay else None,
            optimiser=optimiser,
            plateau=torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimiser, mode="max", factor=0.5, patience=max(recipe.patience // 2 - 1, 0)
            ),
            peak_rate=recipe.learning_rate,
            scaler=acceleration.scaler(device),
            generator=torch.Generator().manual_seed(recipe.seed),
        )

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: the average where there is one."""
        return self.average.module if self.average is not None else self.network

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        rate: float = self.optimiser.param_groups[0]["lr"]
        return rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.optimiser.param_groups[0]["lr"] = rate

    def record(self, epoch: Epoch) -> None:
        """Note a pass, keep its state if it is the best, and let the learning rate follow."""
        self.history.append(epoch)
        if epoch.best:
            self.best = copy.deepcopy(self.judged.state_dict())
        self.plateau.step(epoch.macro_f1)

    def values(self) -> dict[str, Any]:
        """Everything, as nested mappings and lists of tensors and plain values."""
        import torch

        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimiser": self.optimiser.state_dict(),
            "plateau": self.plateau.state_dict(),
            "peak_rate": self.peak_rate,
            "scaler": self.scaler.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "history": TrainingHistory(tuple(self.history)).to_json(),
            "best": self.best,
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Continue from :meth:`values`: the passes that follow are those that would have followed."""
        import torch

        self.network.load_state_dict(values["network"])
        if self.average is not None:
            self.average.load_state_dict(values["average"])
        self.optimiser.load_state_dict(values["optimiser"])
        self.plateau.load_state_dict(values["plateau"])
        self.peak_rate = values["peak_rate"]
        self.scaler.load_state_dict(values["scaler"])
        self.generator.set_state(values["generator"])
        torch.set_rng_state(values["random"])
        if values["cuda_random"]:
            torch.cuda.set_rng_state_all(values["cuda_random"])
        self.history = list(TrainingHistory.from_json(values["history"]).epochs)
        self.best = values["best"]
