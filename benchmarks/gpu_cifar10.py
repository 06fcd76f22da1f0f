"""The time that the recipe `cifar10` takes on a GPU until its network answers the test photos as well as it is to.

What is timed is the gate's own `fit`, with the test photos in the place of validation: nothing is chosen here but the
moment at which the clock stops. The macro F1 stands for the accuracy: each class has as many test photos as the others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from quality_gate.data.batches import ordered_map
from quality_gate.models.zoo import architecture, assemble
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.processors import available_processors
from quality_gate.training.fit import fit
from quality_gate.training.history import Epoch
from quality_gate.training.objective import Rows
from quality_gate.training.recipe import Recipe
from quality_gate.training.shift_and_mirror import shift_and_mirror

AIM = 0.94
# A pass this near to the best one is on the plateau.
NEAR = 0.005
# Means and deviations of the original photos.
SPEC = PreprocessingSpec(32, ("squash",), (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
# What pipelines/recipes/cifar10.yaml comes to, which takes more libraries to read.
RECIPE = Recipe(
    epochs=30,
    rows_per_epoch=0,
    learning_rate=0.003,
    weight_decay=0.05,
    batch_size=128,
    patience=2,
    seed=42,
    balance="none",
    label_smoothing=0.1,
    ema_decay=0.99,
    schedule="one_cycle",
)


@dataclass(frozen=True)
class Cifar10:
    """What became of a training.

    Attributes:
        photos: it learnt from.
        original: whether they are PNG, as they come from the published archive, and not JPEG of less quality.
        macro_f1: the highest on the test photos, 0..1.
        seconds: of all passes, with the test after each.
        seconds_to_aim: until 0.94 was reached; None where it was not.
        seconds_to_plateau: until the macro F1 was within 0.005 of the highest.
    """

    photos: int
    original: bool
    macro_f1: float
    seconds: float
    seconds_to_aim: float | None
    seconds_to_plateau: float

    def __str__(self) -> str:
        """One sentence."""
        quality = "original" if self.original else "re-encoded as JPEG"
        aim = f"not {AIM:.2f}" if self.seconds_to_aim is None else f"{AIM:.2f} after {self.seconds_to_aim:.1f} s"
        return (
            f"cifar10, {self.photos} photos ({quality}): macro F1 {self.macro_f1:.4f}, {aim}, its plateau after "
            f"{self.seconds_to_plateau:.1f} s, all passes {self.seconds:.1f} s"
        )


def train_cifar10(folder: Path, device: torch.device, *, epochs: int | None = None) -> Cifar10:
    """Train as the recipe does.

    Args:
        folder: with ``train/CLASS/`` and ``test/CLASS/``.
        device: where.
        epochs: passes; None takes the recipe's.
    """
    train, original = _rows(folder / "train")
    test, _ = _rows(folder / "test")
    recipe = replace(RECIPE, rows_per_epoch=len(train.labels), epochs=epochs or RECIPE.epochs)
    # The first steps of a process start the device and choose its algorithms.
    _fit(train, test, replace(recipe, epochs=1, rows_per_epoch=2 * recipe.batch_size), device)
    passes = _fit(train, test, recipe, device)
    best = max(score for _, score in passes)
    reached = [seconds for seconds, score in passes if score >= AIM]
    plateau = [seconds for seconds, score in passes if score >= best - NEAR]
    return Cifar10(len(train.labels), original, best, passes[-1][0], reached[0] if reached else None, plateau[0])


def _fit(train: Rows, test: Rows, recipe: Recipe, device: torch.device) -> list[tuple[float, float]]:
    """Seconds since the start and macro F1 on the test photos, after each pass."""
    torch.manual_seed(recipe.seed)
    arch = architecture("compact_cnn")
    network = assemble(arch.build(), arch, int(train.labels.max()) + 1)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    passes: list[tuple[float, float]] = []
    started = time.perf_counter()

    def note(epoch: Epoch) -> None:
        passes.append((time.perf_counter() - started, epoch.macro_f1))

    # The answers of each pass are read back, so that a GPU is done when it is noted.
    fit(network, train, test, recipe, device, prepare=shift_and_mirror, on_epoch=note)
    return passes


def _rows(folder: Path) -> tuple[Rows, bool]:
    files = sorted(path for path in folder.glob("*/*") if path.suffix in (".png", ".jpg"))
    if not files:
        raise SystemExit(f"--cifar10: {folder} holds no photos; expected class folders with .png or .jpg files.")
    read = ordered_map(
        lambda file: preprocess(file.read_bytes(), SPEC).astype(np.float16), files, workers=available_processors()
    )
    _, labels = np.unique([file.parent.name for file in files], return_inverse=True)
    inputs = torch.from_numpy(np.concatenate(list(read)))
    return Rows(inputs, labels.astype(np.int64)), all(file.suffix == ".png" for file in files)
