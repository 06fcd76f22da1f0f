"""The whole way on real photos: what deserves production passes the gate, what was taught wrong labels does not.

The photos are no part of the project; without them beside the checkout these tests are skipped.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import photo_sets
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation.calibrated import calibrate_manifest
from quality_gate.evaluation.candidate import measure
from quality_gate.evaluation.gate import GateResult, apply_gate
from quality_gate.evaluation.scores import Evaluation
from quality_gate.home import Home
from quality_gate.inference import OnnxClassifier
from quality_gate.processors import available_processors
from quality_gate.progress import ConsoleReporter
from quality_gate.registry import Champion
from quality_gate.settings import TrainingSettings
from quality_gate.training.baselines import histogram_baseline, scratch_baseline
from quality_gate.training.candidate import save_candidate
from quality_gate.training.transfer import train_transfer

PRODUCE = Path(__file__).resolve().parents[2] / "shared" / "data" / "produce"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PRODUCE.is_dir(), reason="the photos of the Grocery Store Dataset are not here"),
]


@dataclass(frozen=True)
class Outcome:
    """A candidate and what the gate said of it."""

    model: Path
    evaluation: Evaluation
    gate: GateResult


def train_and_judge(photos: Path, folder: Path, champion: Champion | None) -> Outcome:
    settings, reporter, workers = TrainingSettings(), ConsoleReporter(), available_processors()
    snapshot = take_snapshot(discover(photos), folder / "snapshot").snapshot
    sets = photo_sets(snapshot, split(snapshot.table, settings.split, settings.seed).table)
    result = train_transfer(
        sets.train,
        sets.validation,
        settings.transfer,
        seed=settings.seed,
        home=Home(folder / "home"),
        workers=workers,
        reporter=reporter,
    )
    trained, calibrated = folder / "trained", folder / "calibrated"
    trained.mkdir()
    calibrated.mkdir()
    candidate = save_candidate(result, settings, sets.train.classes, {"data": snapshot.digest}, trained)
    manifest = calibrate_manifest(OnnxClassifier(candidate.path), sets, settings.calibration, reporter)
    model = candidate.copy_with(manifest, calibrated)
    baselines = {
        "histogram": histogram_baseline(sets, settings.baselines, workers=workers),
        "scratch": scratch_baseline(
            sets, settings.baselines, seed=settings.seed, workers=workers, on_epoch=lambda _: None
        ),
    }
    measured = measure(
        model,
        baselines,
        champion,
        sets.test,
        data_digest=snapshot.digest,
        resamples=settings.evaluation.bootstrap_resamples,
        seed=settings.seed,
        reporter=reporter,
    )
    return Outcome(model.path, measured.evaluation, apply_gate(measured.evaluation, settings.gate))


@pytest.fixture(scope="module")
def deserving(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return train_and_judge(PRODUCE, tmp_path_factory.mktemp("deserving"), champion=None)


def move_a_fifth_of_the_labels(photos: Path) -> None:
    rng = np.random.default_rng(1)
    files = sorted(photos.glob("train/*/*"))
    classes = sorted({path.parent.name for path in files})
    for index in rng.choice(len(files), len(files) // 5, replace=False):
        path = files[index]
        wrong = rng.choice([name for name in classes if name != path.parent.name])
        path.rename(photos / "train" / wrong / f"{path.parent.name}_{path.name}")


def test_a_model_of_rightly_labelled_photos_passes_the_default_gate(deserving):
    assert deserving.gate.passed, deserving.gate.sentence()
    metrics = deserving.evaluation.candidate.metrics
    assert metrics.macro_f1 >= 0.87
    assert metrics.brier <= 0.10
    assert deserving.evaluation.routing.threshold is not None


def test_the_gate_stops_a_model_that_was_taught_wrong_labels(deserving, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(PRODUCE, photos, copy_function=shutil.copyfile)
    move_a_fifth_of_the_labels(photos)
    mistaught = train_and_judge(photos, tmp_path, Champion("1", deserving.model))
    assert not mistaught.gate.passed
    assert "against the champion" in mistaught.gate.sentence()
