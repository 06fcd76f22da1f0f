"""The recipes against the methods of the projects they come from, on the same photos.

Those projects train the usual way: photos changed anew in every pass, Adam, a learning rate that falls, early stopping
on validation photos. Here each method has its own epochs, rate, balance and way of unfreezing, where it was published,
and else what the table below says. Of all else it has what the recipe has: the photos and their division (with those
that the recipe keeps for its certificate to learn from, but for ``--same-photos``), and EfficientNet-Lite0, whose
weights come with the installation, in the place of ResNet-50: where that has its last block unfrozen, here it is the
last of seven stages. What stays frozen sees each photo in two changed copies, which the passes take in turn, in place
of a new copy a pass, and its batch normalisation keeps its statistics. That is less than the projects do, to spare
processor time: a method that is behind its recipe here might come nearer with more.

    python -m benchmarks.published_methods defects fruits refunds ripeness

Photos lie in ``data/NAME``, as the recipes say. Printed are the macro F1 on the test photos with its 95% interval, in
repeated cross-validation where the recipe is judged by it, and that of the recipe's last run, if there was one.
`benchmarks.notebook` compares the method of the produce gate, `benchmarks.cifar10` that of CIFAR-10.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import PhotoSet, PhotoSets, divided_photos, photo_sets
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation.bootstrap import Interval, metric_intervals
from quality_gate.evaluation.cross_validation import cross_validate
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.home import Home, locate
from quality_gate.inference import softmax
from quality_gate.ledger import Ledger
from quality_gate.progress import ConsoleReporter
from quality_gate.settings import CrossValidationSettings, TrainingSettings
from quality_gate.settings_section import parse_settings
from quality_gate.training.features import Row
from quality_gate.training.fit import predict_logits
from quality_gate.training.losses import class_weights
from quality_gate.training.pretrained import Pretrained, pretrained
from quality_gate.training.threads import pin_threads
from quality_gate.transfer_settings import TransferSettings

RECIPES = Path(__file__).resolve().parent.parent / "pipelines" / "recipes"
COPIES = 2
BATCH = 32
# Passes without progress after which the rate is halved.
PLATEAU = 2


@dataclass(frozen=True)
class Method:
    """How a project trains.

    Attributes:
        epochs: most passes.
        patience: passes without a better validation macro F1 before training stops.
        learning_rate: of Adam.
        opens: when the last stage begins to learn, beside the head.
        balanced: whether rare classes are drawn as often as others and weigh more in the loss.
    """

    epochs: int
    patience: int
    learning_rate: float
    opens: Literal["at once", "on plateau", "never"] = "at once"
    balanced: bool = False


METHODS = {
    # All of it is published, but that the best pass is chosen by the F1 of the defects there, by macro F1 here.
    "defects": Method(epochs=20, patience=5, learning_rate=3e-4, balanced=True),
    # Its best pass was the 12th; rates and patience are not told.
    "fruits": Method(epochs=13, patience=5, learning_rate=1e-3, opens="on plateau"),
    # It took 18 passes, with early stopping and a schedule; the rate is not told.
    "refunds": Method(epochs=18, patience=5, learning_rate=3e-4),
    # It is told only that a pretrained network is taught.
    "ripeness": Method(epochs=20, patience=20, learning_rate=1e-3, opens="never"),
}


def answers(
    photos: PhotoSets, method: Method, network: TransferSettings, *, seed: int, home: Home, all_photos: bool = True
) -> NDArray[np.float64]:
    """Train by a method.

    Args:
        photos: of all splits.
        method: how to train.
        network: the network, and the view of a photo that it looks at.
        seed: of every random choice.
        home: where weights, and what frozen networks see, are kept.
        all_photos: whether it learns from the calibration photos too.

    Returns:
        Probabilities of the test photos, float64, shape (photos, classes).
    """
    torch.manual_seed(seed)
    start = pretrained(network.model_copy(update={"finetune_stages": 1}), len(photos.train.classes), home, workers=1)
    view = network.views[0]
    learnt = _together(photos.train, photos.calibration) if all_photos else photos.train
    seen = partial(_activations, start, seed=seed)
    taught = start.network.tail_and_head()
    _teach(
        taught,
        start.network.tail,
        seen(learnt, [Row(view, copy) for copy in range(1, COPIES + 1)]),
        learnt.labels,
        seen(photos.validation, [Row(view)]),
        photos.validation.labels,
        method,
    )
    return softmax(predict_logits(taught, seen(photos.test, [Row(view)]), start.device))


def _teach(
    network: nn.Sequential,
    stage: nn.Module,
    inputs: Tensor,
    labels: NDArray[np.int64],
    validation: Tensor,
    validation_labels: NDArray[np.int64],
    method: Method,
) -> None:
    """Train in place, and leave the network at its best pass; a photo's copies are inputs one after another."""
    weights = torch.from_numpy(class_weights(labels, network[-1].out_features)) if method.balanced else None
    optimiser = torch.optim.Adam(network.parameters(), lr=method.learning_rate)
    opened, best, waited = method.opens == "at once", -1.0, 0
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for number in range(method.epochs):
        # Opened, its batch normalisation learns its statistics too.
        stage.train(opened).requires_grad_(opened)
        for places in torch.split(_drawn(labels, weights), BATCH):
            optimiser.zero_grad(set_to_none=True)
            logits = network(inputs[places * COPIES + number % COPIES].float())
            nn.functional.cross_entropy(logits, torch.from_numpy(labels)[places], weights).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        found = _macro_f1(network, validation, validation_labels)
        if found > best:
            best, waited = found, 0
            state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            continue
        waited += 1
        if waited == method.patience:
            break
        if waited % PLATEAU == 0:
            opened = opened or method.opens == "on plateau"
            for group in optimiser.param_groups:
                group["lr"] /= 2
    network.load_state_dict(state)


def _drawn(labels: NDArray[np.int64], weights: Tensor | None) -> Tensor:
    """Places of the photos of a pass, in random order."""
    if weights is None:
        return torch.randperm(len(labels))
    return torch.multinomial(weights[torch.from_numpy(labels)], len(labels), replacement=True)


def _macro_f1(network: nn.Module, inputs: Tensor, labels: NDArray[np.int64]) -> float:
    probabilities = softmax(predict_logits(network, inputs.float(), torch.device("cpu")))
    return compute_metrics(labels, probabilities, [str(number) for number in range(probabilities.shape[1])]).macro_f1


def _activations(start: Pretrained, photos: PhotoSet, rows: Sequence[Row], *, seed: int) -> Tensor:
    move = ConsoleReporter().progress(f"{len(photos)} photos")
    seen = start.backbone.see(photos, rows, seed=seed, on_progress=move, activations=True).activations
    assert seen is not None
    return seen


def _together(one: PhotoSet, other: PhotoSet) -> PhotoSet:
    return replace(
        one,
        image_ids=one.image_ids + other.image_ids,
        paths=one.paths + other.paths,
        labels=np.concatenate([one.labels, other.labels]),
        groups=np.concatenate([one.groups, other.groups]),
    )


def compare(name: str, folder: Path, repeats: int, *, seed: int | None, all_photos: bool) -> str:
    """Train by the method of a recipe, and give the line that is printed.

    Args:
        name: of the recipe.
        folder: where to lay the snapshot.
        repeats: of the cross-validation, where the recipe has one.
        seed: of division and training; None takes that of the recipe.
        all_photos: whether the method learns from the photos of the certificate too.
    """
    settings = parse_settings(
        TrainingSettings, yaml.safe_load((RECIPES / f"{name}.yaml").read_text())["parameters"], origin=f"{name}.yaml"
    )
    seed = settings.seed if seed is None else seed
    snapshot = take_snapshot(discover(settings.data.sources, settings.data), folder / name).snapshot
    table = split(snapshot.table, settings.split, seed).table
    method = partial(
        answers,
        method=METHODS[name],
        network=settings.transfer,
        seed=seed,
        home=locate(),
        all_photos=all_photos,
    )
    crossed = settings.evaluation.cross_validation
    if crossed is not None:
        found = cross_validate(
            divided_photos(snapshot, table),
            {"candidate": method},
            CrossValidationSettings(folds=crossed.folds, repeats=repeats),
            settings.split,
            resamples=settings.evaluation.bootstrap_resamples,
            seed=seed,
            reporter=ConsoleReporter(),
        ).candidate
        return _line(name, found.metrics.macro_f1, found.intervals["macro_f1"])
    test = photo_sets(snapshot, table).test
    probabilities = method(photo_sets(snapshot, table))
    intervals = metric_intervals(test.labels, probabilities, test.classes, test.groups, resamples=1000, seed=seed)
    return _line(name, compute_metrics(test.labels, probabilities, test.classes).macro_f1, intervals["macro_f1"])


def _line(name: str, macro_f1: float, interval: Interval) -> str:
    entries = Ledger(locate().registry(name)).entries()
    recipe = f"{entries[-1].metrics['macro_f1']:.3f} on the test photos" if entries else "not run yet"
    return f"{name:<10} method {macro_f1:.3f} ({interval.low:.3f} to {interval.high:.3f})   recipe {recipe}"


def main() -> None:
    """Train by each method and print a line of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=METHODS, default=list(METHODS), help="recipes, all if none")
    parser.add_argument("--repeats", type=int, default=5, help="of the cross-validation")
    parser.add_argument("--seed", type=int, help="of division and training, in place of that of the recipe")
    parser.add_argument(
        "--same-photos", action="store_true", help="methods do without the photos of the certificate, as recipes do"
    )
    options = parser.parse_args()
    pin_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names:
            line = compare(name, Path(folder), options.repeats, seed=options.seed, all_photos=not options.same_photos)
            print(line, flush=True)


if __name__ == "__main__":
    main()
