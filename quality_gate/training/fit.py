"""The training loop: balanced sampling, learning rate reduced on plateau, early stopping on validation macro F1."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.inference import softmax
from quality_gate.training.history import Epoch, TrainingHistory

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: most passes.
        rows_per_epoch: rows drawn, with replacement and every class equally often, in one pass.
        learning_rate: of AdamW, at its start.
        weight_decay: of AdamW.
        batch_size: rows a step.
        patience: passes without a better validation macro F1 before training stops; the learning rate is halved
            after half as many.
        seed: of the sampling and of dropout.
    """

    epochs: int
    rows_per_epoch: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    patience: int
    seed: int


@dataclass(frozen=True)
class Rows:
    """Inputs with their class numbers.

    Attributes:
        inputs: float tensor, shape (rows, ...), on the CPU.
        labels: class numbers 0..C−1, shape (rows,).
    """

    inputs: torch.Tensor
    labels: NDArray[np.int64]


def fit(
    network: nn.Module,
    train: Rows,
    validation: Rows,
    schedule: Schedule,
    device: torch.device,
    *,
    prepare: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None = None,
    freeze_batch_norm: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainingHistory:
    """Train ``network`` in place and leave it at the state of its best epoch.

    The best epoch has the highest validation macro F1, and among equals the lowest log loss. On CUDA the passes run
    in mixed precision.

    Args:
        network: inputs to logits; parameters with ``requires_grad`` are trained.
        train: the training rows.
        validation: the rows that choose the epoch.
        schedule: how long and how fast.
        device: where the network is.
        prepare: changes a batch of inputs before the network sees it (augmentation), with its own randomness.
        freeze_batch_norm: keep the pretrained statistics, which small batches of few photos would spoil.
        on_epoch: called after every pass.

    Returns:
        All passes, that of the untrained state first.
    """
    import torch

    torch.manual_seed(schedule.seed)
    generator = torch.Generator().manual_seed(schedule.seed)
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=0.5, patience=max(schedule.patience // 2 - 1, 0)
    )
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    labels = torch.from_numpy(train.labels)
    weights = torch.from_numpy(balanced_weights(train.labels))

    history: list[Epoch] = []
    best_state: dict[str, torch.Tensor] = {}
    for number in range(schedule.epochs + 1):
        loss = None
        if number > 0:
            _set_training_mode(network, freeze_batch_norm)
            drawn = torch.multinomial(weights, schedule.rows_per_epoch, replacement=True, generator=generator)
            loss = _one_pass(
                network,
                train.inputs,
                labels,
                torch.split(drawn, schedule.batch_size),
                optimiser,
                scaler,
                device,
                prepare,
                generator,
            )
        epoch = _validate(network, validation, device, number, loss, optimiser.param_groups[0]["lr"], history)
        history.append(epoch)
        if epoch.best:
            best_state = copy.deepcopy(network.state_dict())
        plateau.step(epoch.macro_f1)
        if on_epoch:
            on_epoch(epoch)
        if number - max(past.epoch for past in history if past.best) >= schedule.patience:
            break
    network.load_state_dict(best_state)
    network.eval()
    return TrainingHistory(tuple(history))


def balanced_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sampling weight of each row that makes every class equally frequent; class numbers in, shape (rows,)."""
    return 1.0 / np.bincount(labels)[labels]


def predict_logits(network: nn.Module, inputs: torch.Tensor, device: torch.device) -> NDArray[np.float32]:
    """Logits, shape (rows, classes), of inputs on the CPU; the network is put into evaluation mode."""
    import torch

    network.eval()
    with torch.inference_mode():
        parts = [network(_to_device(batch, device)).float().cpu() for batch in torch.split(inputs, 64)]
    return torch.cat(parts).numpy()


def _one_pass(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    batches: tuple[torch.Tensor, ...],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    device: torch.device,
    prepare: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None,
    generator: torch.Generator,
) -> float:
    import torch

    losses = []
    for rows in batches:
        batch = inputs[rows].float()
        if prepare:
            batch = prepare(batch, generator)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, enabled=device.type == "cuda"):
            logits = network(_to_device(batch, device))
            loss = torch.nn.functional.cross_entropy(logits, labels[rows].to(device))
        torch.autograd.backward(scaler.scale(loss))
        scaler.step(optimiser)
        scaler.update()
        losses.append(loss.item())
    return float(np.mean(losses))


def _validate(
    network: nn.Module,
    validation: Rows,
    device: torch.device,
    number: int,
    loss: float | None,
    learning_rate: float,
    history: list[Epoch],
) -> Epoch:
    probabilities = softmax(predict_logits(network, validation.inputs, device))
    metrics = compute_metrics(
        validation.labels, probabilities, [str(number) for number in range(probabilities.shape[1])]
    )
    score = (metrics.macro_f1, -metrics.log_loss)
    best = score > max(((past.macro_f1, -past.log_loss) for past in history), default=(-math.inf, -math.inf))
    return Epoch(number, loss, metrics.macro_f1, metrics.log_loss, learning_rate, best)


def _set_training_mode(network: nn.Module, freeze_batch_norm: bool) -> None:
    from torch import nn

    network.train()
    if freeze_batch_norm:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def _to_device(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    import torch

    layout = torch.channels_last if batch.dim() == 4 else torch.contiguous_format
    return batch.to(device, torch.float32, memory_format=layout)
