"""What a training minimises: the rows of each step, and the loss of a network on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from quality_gate.training.acceleration import Acceleration, resident, to_device
from quality_gate.training.losses import FocalCrossEntropy, class_weights, mixup, soft_targets
from quality_gate.training.mapped import file_of, reopened
from quality_gate.training.rank import ALONE, Rank
from quality_gate.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

# Changes a batch of inputs, with the randomness of a generator.
Prepare = Callable[["torch.Tensor", "torch.Generator"], "torch.Tensor"]


@dataclass(frozen=True)
class Rows:
    """Inputs with their class numbers.

    Attributes:
        inputs: float tensor, shape (rows, ...), on the CPU.
        labels: class numbers 0..C−1, shape (rows,).
    """

    inputs: torch.Tensor
    labels: NDArray[np.int64]

    def __reduce__(self) -> tuple[Any, ...]:
        """Hand inputs that lie in a file to another process by its name."""
        name = file_of(self.inputs)
        if name is None:
            return Rows, (self.inputs, self.labels)
        return _rows_of, (name, tuple(self.inputs.shape), self.inputs.dtype, self.labels)


def _rows_of(name: str, shape: tuple[int, ...], dtype: torch.dtype, labels: NDArray[np.int64]) -> Rows:
    return Rows(reopened(name, shape, dtype), labels)


@dataclass(frozen=True)
class Objective:
    """Draws the rows of a step and gives the loss of a network on them.

    Attributes:
        train: the training rows; the inputs may lie on the device.
        recipe: how to train.
        device: where the network is.
        acceleration: how the device is used.
        prepare: changes a batch of inputs before the network sees it.
        generator: of the rows drawn, the same in all processes; where there is one, also of ``prepare``.
        criterion: loss of logits against targets.
        rank: the process that looks at its share of the rows.
        noise: of ``prepare``.
    """

    train: Rows
    recipe: Recipe
    device: torch.device
    acceleration: Acceleration
    prepare: Prepare | None
    generator: torch.Generator
    criterion: FocalCrossEntropy
    rank: Rank
    noise: torch.Generator

    @classmethod
    def of(
        cls,
        train: Rows,
        classes: int,
        recipe: Recipe,
        device: torch.device,
        prepare: Prepare | None,
        generator: torch.Generator,
        rank: Rank = ALONE,
        acceleration: Acceleration | None = None,
    ) -> Self:
        """The objective of a recipe, for a network of so many classes; None accelerates as the device can."""
        import torch

        acceleration = acceleration or Acceleration.of(device)
        if acceleration.resident:
            train = Rows(resident(train.inputs, device), train.labels)
        weighted = recipe.balance in ("loss", "both")
        weights = class_weights(train.labels, classes) if weighted else np.ones(classes, dtype=np.float32)
        criterion = FocalCrossEntropy(torch.from_numpy(weights).to(device), recipe.focal_gamma)
        noise = generator if rank.count == 1 else torch.Generator()
        return cls(train, recipe, device, acceleration, prepare, generator, criterion, rank, noise)

    @property
    def whole(self) -> Self:
        """The same, over all rows of a step in every process."""
        return replace(self, rank=ALONE, noise=self.generator)

    def begin_pass(self, number: int) -> None:
        """Seed what this process draws for itself in a pass, torch's random numbers included."""
        import torch

        seed = self.rank.seed(self.recipe.seed, number)
        if seed is not None:
            torch.manual_seed(seed)
            self.noise.manual_seed(seed)

    def steps(self, count: int | None = None) -> tuple[torch.Tensor, ...]:
        """Row numbers of each step: of one pass, or of ``count`` steps."""
        import torch

        rows = self.recipe.rows_per_epoch if count is None else count * self.recipe.batch_size
        if self.recipe.balance in ("sampler", "both"):
            weights = torch.from_numpy(balanced_weights(self.train.labels))
            drawn = torch.multinomial(weights, rows, replacement=True, generator=self.generator)
        else:
            times = math.ceil(rows / len(self.train.labels))
            orders = [torch.randperm(len(self.train.labels), generator=self.generator) for _ in range(times)]
            drawn = torch.cat(orders)[:rows]
        return torch.split(drawn, self.recipe.batch_size)

    def loss(self, network: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        """Mean loss of ``network`` on the rows of these numbers, or this process's part of that mean."""
        import torch

        rows, weight = self.rank.share(rows)
        inputs = self.inputs(rows)
        labels = to_device(torch.from_numpy(self.train.labels)[rows], self.device, torch.int64)
        targets = soft_targets(labels, len(self.criterion.weights), self.recipe.label_smoothing)
        if self.recipe.mixup:
            inputs, targets = mixup(inputs, targets, self.recipe.mixup)
        with self.acceleration.autocast(self.device):
            logits = network(inputs)
        return self.criterion(logits, targets) * weight

    def inputs(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of these numbers as the network is given them."""
        kept = self.train.inputs
        batch = kept[to_device(rows, kept.device, rows.dtype)]
        if self.acceleration.prepare_on_device:
            batch = to_device(batch, self.device, channels_last=False)
        if self.prepare:
            batch = self.prepare(batch.float(), self.noise)
        return to_device(batch, self.device, channels_last=self.acceleration.channels_last)


def balanced_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sampling weight of each row that makes every class equally frequent; class numbers in, shape (rows,)."""
    return 1.0 / np.bincount(labels)[labels]
