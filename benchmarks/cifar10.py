"""The recipe `cifar10` against the way of a tutorial, on the same photos, for as many passes.

The tutorial trains the same six convolutions with a hidden layer of 256 behind them: Adam at 0.001, halved every ten
passes, dropout, batches of 128, photos shifted by up to four pixels over black and mirrored. It learns from all
training photos and keeps the pass that answers the test photos best, which flatters it; the recipe learns from the
photos that are left when validation and calibration have theirs, and never looks at the test. Its answers are
calibrated, as in a run.

    python -m benchmarks.cifar10 --photos cifar10 [--epochs 10] [--seeds 1] [--ways recipe]

``--photos`` names a folder with ``train/`` and ``test/``. Until its tenth pass the tutorial's rate stays the same, so
that what it prints for a pass is what it would have reached with as many.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import PhotoSet, PhotoSets, photo_sets
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation.bootstrap import Interval, metric_intervals
from quality_gate.evaluation.calibration import fit_temperature
from quality_gate.evaluation.metrics import Metrics, compute_metrics
from quality_gate.evaluation.routing import certify
from quality_gate.inference import softmax
from quality_gate.models.compact_cnn import WIDTHS, compact_cnn
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.progress import ConsoleReporter
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from quality_gate.training.fit import predict_logits
from quality_gate.training.scratch import train_from_scratch
from quality_gate.training.shift_and_mirror import mirror_half
from quality_gate.training.threads import pin_threads

RECIPE = Path(__file__).resolve().parent.parent / "pipelines" / "recipes" / "cifar10.yaml"
# Means and deviations are those of the original photos.
SPEC = PreprocessingSpec(32, ("squash",), (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
BATCH, MOST_SHIFT = 128, 4
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Outcome:
    """Scores on the test photos, CPU-seconds of the training, and what is certified, by the recipe alone."""

    metrics: Metrics
    interval: Interval
    seconds: float
    routing: RoutingCertificate | None = None

    @classmethod
    def of(
        cls, test: PhotoSet, answers: NDArray[np.float64], seconds: float, routing: RoutingCertificate | None = None
    ) -> Outcome:
        """What probabilities of the test photos, shape (photos, classes), are worth."""
        intervals = metric_intervals(test.labels, answers, test.classes, test.groups, resamples=1000, seed=0)
        return cls(compute_metrics(test.labels, answers, test.classes), intervals["macro_f1"], seconds, routing)


def tutorial(sets: PhotoSets, settings: TrainingSettings, epochs: int, seed: int) -> Outcome:
    """Train as the tutorial does; the pass that is best on the test photos counts."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    learnt = [sets.train, sets.validation, sets.calibration]
    inputs = torch.cat([_tensors(part) for part in learnt])
    labels = torch.from_numpy(np.concatenate([part.labels for part in learnt]))
    test = _tensors(sets.test)
    network = nn.Sequential(
        *compact_cnn(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(WIDTHS[-1] * (SPEC.size // 8) ** 2, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, len(sets.train.classes)),
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    falling = torch.optim.lr_scheduler.StepLR(optimiser, step_size=10, gamma=0.5)
    best, seconds = None, 0.0
    for number in range(1, epochs + 1):
        started = time.process_time()
        network.train()
        for rows in torch.split(torch.randperm(len(labels), generator=chance), BATCH):
            optimiser.zero_grad(set_to_none=True)
            batch = _shifted(inputs[rows], chance).to(memory_format=torch.channels_last)
            nn.functional.cross_entropy(network(batch), labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        falling.step()
        seconds += time.process_time() - started
        answers = softmax(predict_logits(network, test, CPU))
        found = Outcome.of(sets.test, answers, seconds)
        print(_line(f"tutorial, pass {number}", found), flush=True)
        best = found if best is None or found.metrics.accuracy > best.metrics.accuracy else best
    assert best is not None
    return replace(best, seconds=seconds)


def recipe(sets: PhotoSets, settings: TrainingSettings, epochs: int, seed: int) -> Outcome:
    """Train as the recipe does."""
    started = time.process_time()
    candidate = train_from_scratch(
        sets.train,
        sets.validation,
        settings.transfer.model_copy(update={"finetune_epochs": epochs}),
        seed=seed,
        workers=1,
        reporter=ConsoleReporter(),
        on_epoch=lambda epoch: print(f"recipe: {epoch}", flush=True),
        checkpoint=None,
    )
    seconds = time.process_time() - started
    validation, calibration, test = (
        predict_logits(candidate.network, _tensors(part, candidate.spec), CPU)
        for part in (sets.validation, sets.calibration, sets.test)
    )
    temperature = fit_temperature(validation, sets.validation.labels)
    known, kept, answers = (softmax(logits, temperature) for logits in (validation, calibration, test))
    promise = settings.calibration
    right = kept.argmax(axis=1) == sets.calibration.labels
    routing = certify(known.max(axis=1), kept.max(axis=1), right, alpha=promise.alpha, delta=promise.delta)
    return Outcome.of(sets.test, answers, seconds, routing)


WAYS = {"tutorial": tutorial, "recipe": recipe}


def main() -> None:
    """Train both in turn and print a line of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--epochs", type=int, default=10, help="passes of either")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of either")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS), help="which ones")
    options = parser.parse_args()
    pin_threads(1)
    settings = parse_settings(TrainingSettings, yaml.safe_load(RECIPE.read_text())["parameters"], origin=RECIPE.name)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = take_snapshot(discover(options.photos), Path(folder) / "snapshot").snapshot
        for seed in range(settings.seed, settings.seed + options.seeds):
            sets = photo_sets(snapshot, split(snapshot.table, settings.split, seed).table)
            for name in options.ways:
                outcome = WAYS[name](sets, settings, options.epochs, seed)
                print(_line(f"seed {seed}, {options.epochs} passes, {name}", outcome), flush=True)


def _line(name: str, outcome: Outcome) -> str:
    metrics, interval, routing = outcome.metrics, outcome.interval, outcome.routing
    return (
        f"{name:<30} accuracy {metrics.accuracy:.4f}  macro F1 {metrics.macro_f1:.4f} ({interval.low:.3f} to "
        f"{interval.high:.3f})  Brier {metrics.brier:.4f}  {outcome.seconds:.0f} CPU-s"
        + (f"  accepted {routing.coverage if routing.threshold is not None else 0:.1%}" if routing else "")
    )


def _tensors(photos: PhotoSet, spec: PreprocessingSpec = SPEC) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([preprocess(photo, spec) for photo in photos.read()]))


def _shifted(photos: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    edge = photos.shape[-1]
    padded = nn.functional.pad(mirror_half(photos, generator), (MOST_SHIFT,) * 4)
    down, right = torch.randint(2 * MOST_SHIFT + 1, (2, len(photos)), generator=generator)
    windows = padded.unfold(2, edge, 1).unfold(3, edge, 1)
    return windows[torch.arange(len(photos)), :, down, right]


if __name__ == "__main__":
    main()
