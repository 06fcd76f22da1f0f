"""What each option of fine-tuning brings over the head alone, over several splits of the training photos.

For each seed the photos are divided anew (the test photos stay), the frozen stages see them once, a head is trained,
and each option fine-tunes from there. Printed are mean and standard deviation over the seeds: of the state that
validation chose (test macro F1, multi-class Brier score, validation macro F1), of the last pass, whatever validation
says of it, and of the CPU-seconds a pass. All options are measured on the same photos, activations and heads, so that
their differences to the head alone vary less than the scores themselves; they are printed with a standard deviation
too.

    python -m benchmarks.finetuning --photos produce [--seeds 5] [--options "lr 3e-5" mixup] [--cache folder]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import PhotoSet, PhotoSets, photo_sets
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation.metrics import Metrics, compute_metrics
from quality_gate.inference import softmax
from quality_gate.models.weights import load_pretrained
from quality_gate.models.zoo import TransferNetwork, architecture, assemble
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.progress import ConsoleReporter
from quality_gate.settings import SplitSettings
from quality_gate.training.features import FrozenBackbone, Row
from quality_gate.training.fit import fit, predict_logits
from quality_gate.training.head import LinearHead, train_head
from quality_gate.training.history import Epoch
from quality_gate.training.objective import Rows
from quality_gate.training.recipe import fine_tuning
from quality_gate.training.threads import pin_threads
from quality_gate.training.transfer import training_rows
from quality_gate.transfer_settings import TransferSettings

HEAD_ALONE = "head alone"
BASE = TransferSettings(finetune_min_photos=0, finetune_epochs=4, patience=4)
OPTIONS: dict[str, dict[str, Any]] = {
    HEAD_ALONE: {"finetune_epochs": 0},
    "1 stage": {"finetune_stages": 1},
    "2 stages": {"finetune_stages": 2},
    "3 stages": {"finetune_stages": 3},
    "a stage an epoch": {"finetune_stages": 2, "unfreezing": "each_epoch"},
    "a stage on plateau": {"finetune_stages": 2, "unfreezing": "on_plateau"},
    "lr 1e-5": {"learning_rate": 1e-5},
    "lr 3e-5": {"learning_rate": 3e-5},
    "lr 3e-4": {"learning_rate": 3e-4},
    "lr found": {"find_learning_rate": True},
    "weighted loss": {"class_balance": "loss"},
    "sampler and loss": {"class_balance": "both"},
    "no balance": {"class_balance": "none"},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "focal loss 2": {"focal_gamma": 2.0},
    "mixup 0.2": {"mixup": 0.2},
    "no average of weights": {"ema_decay": 0.0},
}


@dataclass(frozen=True)
class Material:
    """What all options of one seed and one number of tuned stages start from.

    Attributes:
        train: activations of the training rows.
        validation: activations of the validation photos.
        test: activations of the test photos.
        photos: training photos, each of which is several rows.
        head: trained on the frozen features.
        classes: labels in order.
    """

    train: Rows
    validation: Rows
    test: Rows
    photos: int
    head: LinearHead
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """One option on one seed: scores of the state that was kept and of the last pass, and CPU-seconds a pass."""

    kept: Metrics
    last: Metrics
    validation_f1: float
    seconds: float


def material(sets: PhotoSets, settings: TransferSettings, seed: int, cache: Path) -> Material:
    """Let the frozen stages see all photos of a split, and train the head."""
    network, spec = _network(settings, len(sets.train.classes))
    backbone = FrozenBackbone(network, spec, torch.device("cpu"), cache, workers=1)

    def see(photos: PhotoSet, rows: Sequence[Row]) -> tuple[NDArray[Any], Rows]:
        name = f"seed {seed}, {len(photos)} photos"
        move = ConsoleReporter().progress(name)
        seen = backbone.see(photos, rows, seed=seed, on_progress=move, activations=True)
        assert seen.activations is not None
        return seen.features, Rows(seen.activations, photos.labels.repeat(len(rows)))

    rows = training_rows(settings)
    features, train = see(sets.train, rows)
    head = train_head(features, train.labels, sets.train.groups.repeat(len(rows)), seed)
    plain = [Row(spec.views[0])]
    return Material(
        train=train,
        validation=see(sets.validation, plain)[1],
        test=see(sets.test, plain)[1],
        photos=len(sets.train),
        head=head,
        classes=sets.train.classes,
    )


def tune(found: Material, settings: TransferSettings, seed: int) -> Outcome:
    """Fine-tune from the head alone, and score what validation chose and where training ended."""
    device = torch.device("cpu")
    network, _ = _network(settings, len(found.classes))
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(found.head.weight))
        network.head.bias.copy_(torch.from_numpy(found.head.bias))
    tuned = network.tail_and_head()
    marks, scores = [time.process_time()], []

    def on_epoch(epoch: Epoch) -> None:
        marks.append(time.process_time())
        if epoch.stop:
            scores.append(_score(tuned, found))

    history = fit(
        tuned,
        found.train,
        found.validation,
        fine_tuning(settings, stages=len(network.tail), photos=found.photos, seed=seed),
        device,
        stages=tuple(network.tail),
        freeze_batch_norm=True,
        on_epoch=on_epoch,
    )
    passes = [after - before for before, after in pairwise(marks[1:])]
    return Outcome(_score(tuned, found), scores[0], history.best.macro_f1, statistics.median(passes or [0.0]))


def main() -> None:
    """Measure the options in turn and print a line of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--seeds", type=int, default=5, help="splits of the training photos")
    parser.add_argument("--options", nargs="*", choices=OPTIONS, default=list(OPTIONS), help="which ones")
    parser.add_argument("--cache", type=Path, help="folder that keeps what the frozen stages saw")
    arguments = parser.parse_args()
    pin_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        cache = arguments.cache or Path(folder)
        names = [HEAD_ALONE, *(name for name in arguments.options if name != HEAD_ALONE)]
        outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
        for seed, sets in _splits(arguments.photos, arguments.seeds, Path(folder)):
            known: dict[int | None, Material] = {}
            for name in names:
                settings = BASE.model_copy(update=OPTIONS[name])
                stages = settings.finetune_stages
                if stages not in known:
                    known[stages] = material(sets, settings, seed, cache)
                outcomes[name].append(tune(known[stages], settings, seed))
                print(_line(f"seed {seed}: {name}", outcomes[name][-1:], outcomes[HEAD_ALONE][-1:]), flush=True)
    print(f"\n{'option':<28}   test F1       Brier         validation F1   minus head    last pass F1  CPU-s a pass")
    for name, found in outcomes.items():
        print(_line(name, found, outcomes[HEAD_ALONE]))


def _line(name: str, found: Sequence[Outcome], head: Sequence[Outcome]) -> str:
    gains = [one.kept.macro_f1 - other.kept.macro_f1 for one, other in zip(found, head, strict=True)]
    columns = (
        [one.kept.macro_f1 for one in found],
        [one.kept.brier for one in found],
        [one.validation_f1 for one in found],
        gains,
        [one.last.macro_f1 for one in found],
    )
    seconds = statistics.median(one.seconds for one in found)
    return f"{name:<28}   " + " ".join(f"{_spread(values):<13}" for values in columns) + f" {seconds:5.1f}"


def _spread(values: Sequence[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ±{deviation:.3f}"


def _score(tuned: torch.nn.Module, found: Material) -> Metrics:
    answers = softmax(predict_logits(tuned, found.test.inputs, torch.device("cpu")))
    return compute_metrics(found.test.labels, answers, found.classes)


def _network(settings: TransferSettings, classes: int) -> tuple[TransferNetwork, PreprocessingSpec]:
    arch = architecture(settings.model)
    network = assemble(load_pretrained(arch, None, Path()), arch, classes, settings.finetune_stages)
    network = network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    network.trunk.requires_grad_(False)
    return network, PreprocessingSpec(settings.size, settings.views, arch.mean, arch.std)


def _splits(photos: Path, seeds: int, folder: Path) -> Iterator[tuple[int, PhotoSets]]:
    source = discover(photos)
    snapshot = take_snapshot(source, folder / "snapshot").snapshot
    for seed in range(seeds):
        yield seed, photo_sets(snapshot, split(snapshot.table, SplitSettings(), seed).table)


if __name__ == "__main__":
    main()
