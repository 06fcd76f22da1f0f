"""Quantisation-aware training: the last stages learn to answer in 8-bit integers as the network did in 32 bits.

What is learnt from is not the labels but the answers of the network that the gate has judged (Hinton et al. 2015,
"Distilling the knowledge in a neural network"; for few bits Mishra and Marr 2018, "Apprentice"): what is served has to
answer as that does, and a backbone that was kept frozen, since photos are few, would learn their labels by heart.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.batches import tensor_batches
from quality_gate.models.fake_quantisation import fake_quantised
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.processors import available_processors
from quality_gate.training.schedule import one_cycle

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.models.zoo import TransferNetwork
    from quality_gate.progress import Progress, Reporter

BATCH_ROWS = 16
# On photos of fruit the divergence is halved at 1e-5; at 3e-5 it first doubles.
PEAK_LEARNING_RATE = 1e-5


@dataclass(frozen=True)
class _Lesson:
    """What the last stages are given, and what they should answer.

    Attributes:
        activations: behind the frozen stages, float16, shape (rows, channels, h, w): half the memory of float32, and
            finer than 8 bits.
        answers: probabilities of the network in 32 bits, shape (rows, classes).
    """

    activations: Tensor
    answers: Tensor

    def loss(self, pupil: nn.Module, rows: Tensor) -> Tensor:
        """Mean Kullback-Leibler divergence of the pupil's answers to some rows from those they should be."""
        from torch.nn import functional

        logits = pupil(self.activations[rows].float())
        return functional.kl_div(logits.log_softmax(dim=1), self.answers[rows], reduction="batchmean")

    def divergence(self, pupil: nn.Module) -> float:
        """The same of all rows, in nats, 0 or more."""
        import torch

        with torch.inference_mode():
            rows = torch.split(torch.arange(len(self.answers)), BATCH_ROWS)
            sums = [float(self.loss(pupil, some)) * len(some) for some in rows]
        return math.fsum(sums) / len(self.answers)


def train_for_8_bits(
    network: TransferNetwork,
    train: PhotoSet,
    validation: PhotoSet,
    examples: Iterable[NDArray[np.float32]],
    spec: PreprocessingSpec,
    *,
    epochs: int,
    seed: int,
    reporter: Reporter,
) -> tuple[float, ...]:
    """Train the last stages and the head of ``network`` under simulated 8-bit integers, in place.

    The state is kept whose answers to the validation photos diverge least from those in 32 bits, which may be that
    before the first pass. The learning rate makes one cycle.

    Args:
        network: trained, on the CPU, in evaluation mode, in which its batch normalisation stays.
        train: the photos to learn from; every view of one is a row.
        validation: the photos that choose the state.
        examples: tensors on which the ranges of the activations are measured, each of shape (views, 3, S, S).
        spec: how photos become its input.
        epochs: passes over ``train``.
        seed: of the order of the rows.
        reporter: told how far it is.

    Returns:
        How far the answers to the validation photos diverge from those in 32 bits, before the first pass and after
        each: the mean Kullback-Leibler divergence in nats, 0 or more.
    """
    import torch

    network.requires_grad_(False)
    teacher = copy.deepcopy(network)
    with fake_quantised(network, map(torch.from_numpy, examples)):
        lesson = _prepare(network, teacher, train, spec, reporter.progress("training for 8 bits: answers in 32 bits"))
        held_out = _prepare(network, teacher, validation, spec, reporter.progress("validation for 8 bits"))
        pupil = network.tail_and_head().requires_grad_(True)
        optimiser = torch.optim.AdamW(pupil.parameters())
        generator = torch.Generator().manual_seed(seed)
        found, best = [held_out.divergence(pupil)], copy.deepcopy(pupil.state_dict())
        for epoch in range(epochs):
            _one_pass(pupil, lesson, optimiser, generator, done=epoch / epochs, share=1 / epochs)
            found.append(held_out.divergence(pupil))
            if found[-1] == min(found):
                best = copy.deepcopy(pupil.state_dict())
            reporter.say(f"training for 8 bits: pass {epoch + 1} of {epochs}, validation divergence {found[-1]:.2g}")
        pupil.load_state_dict(best)
    return tuple(found)


def _one_pass(
    pupil: nn.Module,
    lesson: _Lesson,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    *,
    done: float,
    share: float,
) -> None:
    """Learn from every row once; ``done`` of all steps were made before, and a ``share`` of them is made here."""
    import torch

    steps = torch.split(torch.randperm(len(lesson.answers), generator=generator), BATCH_ROWS)
    for number, rows in enumerate(steps):
        optimiser.param_groups[0]["lr"] = PEAK_LEARNING_RATE * one_cycle(done + share * number / len(steps))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(lesson.loss(pupil, rows))
        optimiser.step()


def _prepare(
    network: TransferNetwork, teacher: TransferNetwork, photos: PhotoSet, spec: PreprocessingSpec, move: Progress
) -> _Lesson:
    import torch

    batches = tensor_batches(photos.read(), lambda _, photo: preprocess(photo, spec), workers=available_processors())
    activations, answers, done = [], [], 0
    with torch.no_grad():
        for batch, sizes in batches:
            tensors = torch.from_numpy(batch)
            activations.append(network.trunk(tensors).half())
            answers.append(teacher(tensors).softmax(dim=1))
            done += len(sizes)
            move(done, len(photos))
    return _Lesson(torch.cat(activations), torch.cat(answers))
