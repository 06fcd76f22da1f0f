"""What 8-bit integers cost and gain: quantised after training, and trained for, beside 32-bit floating point.

For each seed the photos are divided anew (a given test folder stays the test), a candidate is trained and calibrated,
and its three networks answer the test photos. Printed are the means over the seeds, weighted by their test photos, and
how often each network would be served. Divergence is that of Kullback and Leibler between the answers before their
temperature and those in 32 bits, in nats.

    python -m benchmarks.quantisation --photos data/ripeness --recipe ripeness [--seeds 5] [--epochs 5]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.run_configuration import read_parameters
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import photo_sets
from quality_gate.data.snapshot import Snapshot
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation.calibrated import calibrate_manifest
from quality_gate.evaluation.precision import Contender, PrecisionComparison
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.evaluation.served_model import make_ready_to_serve
from quality_gate.home import locate
from quality_gate.inference import OnnxClassifier, softmax
from quality_gate.processors import available_processors
from quality_gate.progress import ConsoleReporter
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from quality_gate.training.candidate import save_candidate
from quality_gate.training.threads import pin_threads
from quality_gate.training.transfer import train_transfer

RECIPES = Path(__file__).resolve().parent.parent / "pipelines" / "recipes"


@dataclass(frozen=True)
class Outcome:
    """What one seed gave: its test photos, the comparison on them, and how far each network's answers diverge."""

    photos: int
    comparison: PrecisionComparison
    divergences: dict[Contender, float]


def compare(snapshot: Snapshot, settings: TrainingSettings, seed: int, folder: Path) -> Outcome:
    """Train, calibrate and quantise with one seed."""
    reporter = ConsoleReporter()
    divided = split(snapshot.table, settings.split, seed, settings.validation.min_photos_per_class)
    photos = photo_sets(snapshot, divided.table)
    candidate = train_transfer(
        photos.train,
        photos.validation,
        settings.transfer,
        seed=seed,
        home=locate(),
        workers=available_processors(),
        reporter=reporter,
    )
    for part in ("trained", "calibrated", "served"):
        (folder / part).mkdir(parents=True)
    trained = save_candidate(candidate, settings, photos.train.classes, {}, folder / "trained")
    classifier = OnnxClassifier(trained.path)
    manifest = calibrate_manifest(classifier, photos, settings.calibration, reporter)
    model = trained.copy_with(manifest, folder / "calibrated")
    probabilities = softmax(predict_logits(classifier, photos.test, reporter, "test"), manifest.temperature)
    served = make_ready_to_serve(
        model, photos, probabilities, settings.serving, settings.calibration, folder / "served", reporter, seed=seed
    )
    if served.comparison is None:
        raise SystemExit(f"8 bits could not be tried: {served.problem}")
    answers = {
        contender: softmax(
            predict_logits(OnnxClassifier(folder / "served" / contender), photos.test, reporter, contender)
        )
        for contender in served.comparison.figures
    }
    right = answers["float32"]
    divergences = {name: float((right * np.log(right / other)).sum(axis=1).mean()) for name, other in answers.items()}
    return Outcome(len(photos.test), served.comparison, divergences)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    given = read_parameters(RECIPES / f"{arguments.recipe}.yaml")
    given["serving"] = {**given.get("serving", {}), "quantisation_aware_epochs": arguments.epochs}
    settings = parse_settings(TrainingSettings, given, origin=arguments.recipe)
    pin_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        source = discover([arguments.photos], settings.data)
        snapshot = take_snapshot(source, Path(folder) / "snapshot", workers=available_processors()).snapshot
        found = [compare(snapshot, settings, seed, Path(folder) / str(seed)) for seed in range(arguments.seeds)]
    weights = [outcome.photos for outcome in found]
    chosen = [outcome.comparison.chosen for outcome in found]
    print(f"{sum(weights)} test photos in {len(found)} divisions")
    for contender in found[0].comparison.figures:
        figures = [outcome.comparison.figures[contender] for outcome in found]
        columns = {
            "macro F1": [each.metrics.macro_f1 for each in figures],
            "Brier": [each.metrics.brier for each in figures],
            "divergence": [outcome.divergences[contender] for outcome in found],
            "agreement": [each.agreement for each in figures],
            "ms": [each.latency_ms for each in figures],
            "MB": [each.megabytes for each in figures],
        }
        means = "  ".join(f"{name} {np.average(values, weights=weights):.4f}" for name, values in columns.items())
        print(f"{contender:>13}  {means}  served {chosen.count(contender)} times")


if __name__ == "__main__":
    main()
