"""The training loop: learning rate reduced on plateau, early stopping on validation macro F1, the best state kept."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.errors import UserError
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.inference import softmax
from quality_gate.training.acceleration import Acceleration, resident, to_device
from quality_gate.training.history import Epoch, StopReason, TrainingHistory
from quality_gate.training.objective import Objective, Prepare, Rows
from quality_gate.training.rank import ALONE, Rank
from quality_gate.training.rate_finder import STEPS, find_learning_rate
from quality_gate.training.recipe import Recipe
from quality_gate.training.resume import Checkpoint
from quality_gate.training.schedule import one_cycle
from quality_gate.training.state import TrainingState
from quality_gate.training.unfreezing import StageGate, open_stages

if TYPE_CHECKING:
    import torch
    from torch import nn

# Photos or maps that are answered at once where nothing is learnt.
_BATCH, _GPU_BATCH = 64, 512


def fit(
    network: nn.Module,
    train: Rows,
    validation: Rows,
    recipe: Recipe,
    device: torch.device,
    *,
    stages: Sequence[nn.Module] = (),
    prepare: Prepare | None = None,
    freeze_batch_norm: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    checkpoint: Checkpoint | None = None,
    rank: Rank = ALONE,
    acceleration: Acceleration | None = None,
) -> TrainingHistory:
    """Train ``network`` in place and leave it at the state of its best epoch.

    The best epoch has the highest validation macro F1, and among equals the lowest log loss. On a GPU the passes run as
    :class:`Acceleration` says, and validation in single precision. With a checkpoint, a training that was interrupted
    goes on after its last whole pass and, on the CPU, ends with the very weights it would have ended with.

    Args:
        network: inputs to logits; parameters with ``requires_grad`` are trained.
        train: the training rows.
        validation: the rows that choose the epoch.
        recipe: how to train.
        device: where the network is.
        stages: parts of the network that ``recipe.unfreezing`` opens one by one, from input to output; what belongs
            to none of them always learns.
        prepare: changes a batch of inputs before the network sees it (augmentation), with its own randomness.
        freeze_batch_norm: keep the pretrained statistics, which small batches of few photos would spoil.
        on_epoch: called after every pass.
        checkpoint: where the state is left after each pass, and looked for at the start; removed at the end. Its key
            need not cover the recipe and the shapes of the network. Of several processes the first has one.
        rank: this process, where several train together; all end with the same weights and the same passes.
        acceleration: how the device is used; None takes the fastest way.

    Returns:
        All passes, that of the untrained state first.

    Raises:
        UserError: the learning rate is so high that the answers are no numbers any more.
    """
    acceleration = acceleration or Acceleration.of(device)
    state = TrainingState.start(network, recipe, device, acceleration)
    gate = StageGate(stages)
    classes = predict_logits(network, train.inputs[:1], device).shape[1]
    objective = Objective.of(train, classes, recipe, device, prepare, state.generator, rank, acceleration)
    if acceleration.resident:
        validation = Rows(resident(validation.inputs, device), validation.labels)
    checkpoint = checkpoint and replace(checkpoint, key=_identity(checkpoint.key, network, recipe, acceleration))
    saved = rank.agreed(checkpoint.read() if checkpoint else None)
    if saved:
        state.restore(saved)
    elif recipe.find_learning_rate and recipe.epochs:
        _set_training_mode(network, freeze_batch_norm)
        found = find_learning_rate(network, objective.steps(STEPS), objective.whole.loss)
        state.learning_rate = state.peak_rate = rank.agreed(found)
    while not state.history or state.history[-1].stop is None:
        number, loss, opened = len(state.history), None, None
        if number > 0:
            opened = open_stages(recipe.unfreezing, len(gate), state.history)
            gate.open_last(opened)
            _set_training_mode(network, freeze_batch_norm)
            loss = train_pass(state, objective)
        epoch = _validate(state, validation, device, recipe, rank, loss, opened)
        state.record(epoch)
        if checkpoint:
            checkpoint.write(state.values())
        if on_epoch:
            on_epoch(epoch)
    gate.open_last(len(gate))
    network.load_state_dict(state.best)
    network.eval()
    if checkpoint:
        checkpoint.remove()
    return TrainingHistory(tuple(state.history))


def predict_logits(network: nn.Module, inputs: torch.Tensor, device: torch.device) -> NDArray[np.float32]:
    """Logits, shape (rows, classes), of inputs on the CPU or the device; puts the network into evaluation mode."""
    import torch

    network.eval()
    batches = torch.split(inputs, _BATCH if device.type == "cpu" else _GPU_BATCH)
    with torch.inference_mode():
        return torch.cat([network(to_device(batch, device)).float() for batch in batches]).cpu().numpy()


def train_pass(state: TrainingState, objective: Objective) -> float:
    """Take the steps of one pass with a network in training mode; its mean loss out."""
    import torch

    losses, steps, done = [], objective.steps(), len(state.history) - 1
    objective.begin_pass(len(state.history))
    learner = objective.rank.learner(state.network)
    for place, rows in enumerate(steps):
        if objective.recipe.schedule == "one_cycle":
            progress = (done + place / len(steps)) / objective.recipe.epochs
            state.learning_rate = state.peak_rate * one_cycle(progress)
        state.optimiser.zero_grad(set_to_none=True)
        loss = objective.loss(learner, rows)
        torch.autograd.backward(state.scaler.scale(loss))
        state.scaler.step(state.optimiser)
        state.scaler.update()
        if state.average is not None:
            state.average.update_parameters(state.network)
        # Not its value: a GPU would have to be waited for in each step.
        losses.append(loss.detach())
    objective.rank.average_statistics(state.network)
    if state.average is not None:
        for kept, current in zip(state.average.module.buffers(), state.network.buffers(), strict=True):
            kept.copy_(current)
    return objective.rank.mean(float(np.mean(torch.stack(losses).tolist())))


def _validate(
    state: TrainingState,
    validation: Rows,
    device: torch.device,
    recipe: Recipe,
    rank: Rank,
    loss: float | None,
    opened: int | None,
) -> Epoch:
    part = validation.inputs.tensor_split(rank.count)[rank.number]
    logits = rank.gathered(predict_logits(state.judged, part, device))
    if not np.isfinite(logits).all():
        raise UserError(
            f"Training diverged in pass {len(state.history)}: the answers of the network are no numbers; lower "
            f"transfer.learning_rate, which was {state.learning_rate:.2g}."
        )
    probabilities = softmax(logits)
    metrics = compute_metrics(
        validation.labels, probabilities, [str(number) for number in range(probabilities.shape[1])]
    )
    epoch = Epoch(
        epoch=len(state.history),
        train_loss=loss,
        macro_f1=metrics.macro_f1,
        log_loss=metrics.log_loss,
        learning_rate=state.learning_rate,
        best=_is_best(metrics.macro_f1, metrics.log_loss, state.history),
        open_stages=opened,
        brier=metrics.brier,
    )
    return replace(epoch, stop=_stop_reason([*state.history, epoch], recipe))


def _is_best(macro_f1: float, log_loss: float, history: Sequence[Epoch]) -> bool:
    former = max(((past.macro_f1, -past.log_loss) for past in history), default=(-math.inf, -math.inf))
    return (macro_f1, -log_loss) > former


def _stop_reason(history: Sequence[Epoch], recipe: Recipe) -> StopReason | None:
    last, best = history[-1].epoch, max(epoch.epoch for epoch in history if epoch.best)
    # A schedule is at its best at its end.
    if recipe.schedule == "plateau" and last - best >= recipe.patience:
        return "patience"
    return "epochs" if last >= recipe.epochs else None


def _identity(key: str, network: nn.Module, recipe: Recipe, acceleration: Acceleration) -> str:
    import torch

    shapes = [(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()]
    return hashlib.sha256(repr((key, recipe, shapes, acceleration, torch.__version__)).encode()).hexdigest()


def _set_training_mode(network: nn.Module, freeze_batch_norm: bool) -> None:
    from torch import nn

    network.train()
    if freeze_batch_norm:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
