"""CPU-seconds of training against a notebook's, on the same photos and as many threads.

The peer is a script that trains EfficientNet-Lite0 the usual way: every epoch decodes, augments and forwards every
photo, first for the head (4 epochs), then for the last blocks too (3 epochs). It is run as a program of its own::

    python -m benchmarks.notebook --peer seed_notebook.py --photos produce
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import PhotoSets, photo_sets
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.home import Home
from quality_gate.inference import softmax
from quality_gate.preprocess import preprocess
from quality_gate.processors import available_processors
from quality_gate.progress import Progress
from quality_gate.settings import SplitSettings
from quality_gate.training.candidate import Candidate
from quality_gate.training.threads import pin_threads
from quality_gate.training.transfer import train_transfer
from quality_gate.transfer_settings import TransferSettings

SEED = 42
HEAD = TransferSettings(training_views=("crop",), augmented_views=0, finetune_epochs=0)
FINE_TUNING = TransferSettings(
    training_views=("crop",), augmented_views=0, finetune_epochs=3, finetune_min_photos=0, patience=3
)


@dataclass
class Stopwatch:
    """A reporter that notes at how many CPU-seconds of the process each line was said."""

    lines: list[tuple[float, str]]

    def progress(self, task: str) -> Progress:
        """Start a bar that nobody sees."""
        return lambda done, total: None

    def say(self, line: str) -> None:
        """Note a line."""
        self.lines.append((time.process_time(), line))


def main() -> None:
    """Run both in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--peer", type=Path, help="the peer's script; without it only this project is measured")
    parser.add_argument("--repeats", type=int, default=3, help="times each is run")
    parser.add_argument("--once", action="store_true", help="measure this project once and print the figures as JSON")
    options = parser.parse_args()
    for path in (options.photos, options.peer):
        if path is not None and not path.exists():
            parser.error(f"{path} does not exist")
    if options.once:
        print(json.dumps(measure(options.photos)))
        return
    runs: dict[str, list[dict[str, float]]] = {"this project": [], "peer": []}
    for _ in range(options.repeats):
        runs["this project"].append(_own_run(options.photos))
        if options.peer:
            runs["peer"].append(_peer_run(options.peer, options.photos))
    medians = {
        name: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for name, found in runs.items()
        if found
    }
    for name, figures in medians.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:<44} {value:8.3f}")
    if options.peer:
        own, peer = medians["this project"], medians["peer"]
        print(f"head: 1/{peer['CPU-seconds, both stages'] / own['CPU-seconds, head']:.1f} of the peer's CPU-seconds")
        epoch = "CPU-seconds a fine-tuned epoch"
        print(f"a fine-tuned epoch: 1/{peer[epoch] / own[epoch]:.1f}")


def measure(photos: Path) -> dict[str, float]:
    """Train the head alone, then the last blocks too, each from the photos on."""
    pin_threads(0)
    with tempfile.TemporaryDirectory() as folder:
        sets = _photo_sets(photos, Path(folder))
        start = time.process_time()
        head, _ = _train(sets, HEAD, Path(folder) / "head")
        head_seconds = time.process_time() - start
        tuned, lines = _train(sets, FINE_TUNING, Path(folder) / "fine-tuning")
        scores = {
            **{f"test {name}, head": value for name, value in _test(head, sets).items()},
            **{f"test {name}, fine-tuned": value for name, value in _test(tuned, sets).items()},
        }
    moments = [moment for moment, line in lines if line.startswith("epoch")]
    return {
        "CPU-seconds, head": head_seconds,
        "CPU-seconds a fine-tuned epoch": float(np.median(np.diff(moments))),
        **scores,
    }


def _photo_sets(photos: Path, folder: Path) -> PhotoSets:
    snapshot = take_snapshot(discover(photos), folder / "snapshot").snapshot
    table = split(snapshot.table, SplitSettings(), SEED).table
    # The peer has no calibration photos: it trains on them.
    return photo_sets(snapshot, table.replace({"split": {"calibration": "train"}}))


def _train(sets: PhotoSets, settings: TransferSettings, home: Path) -> tuple[Candidate, list[tuple[float, str]]]:
    stopwatch = Stopwatch([])
    result = train_transfer(
        sets.train,
        sets.validation,
        settings,
        seed=SEED,
        home=Home(home),
        workers=available_processors(),
        reporter=stopwatch,
    )
    return result, stopwatch.lines


def _test(result: Candidate, sets: PhotoSets) -> dict[str, float]:
    import torch

    with torch.inference_mode():
        logits = [
            result.network(torch.from_numpy(preprocess(photo, result.spec))).numpy() for photo in sets.test.read()
        ]
    metrics = compute_metrics(sets.test.labels, softmax(np.concatenate(logits)), sets.test.classes)
    return {"macro F1": metrics.macro_f1, "Brier score": metrics.brier}


def _own_run(photos: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.notebook", "--photos", str(photos), "--once"]
    output = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=True).stdout
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def _peer_run(script: Path, photos: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        paths = {"DATA_ROOT": str(photos.absolute()), "OUT": str(results), "MODEL_DIR": folder}
        command = [sys.executable, str(script.absolute()), "transfer"]
        subprocess.run(command, env=_environment() | paths, capture_output=True, cwd=folder, check=True)
        found: dict[str, Any] = json.loads(results.read_text())
    stages = [found["lite0_stage1"], found["lite0_stage2"]]
    epochs = [[epoch["cpu_s_main"] for epoch in stage["history"]] for stage in stages]
    test = stages[1]["test"]
    return {
        "CPU-seconds, both stages": sum(sum(stage) for stage in epochs),
        "CPU-seconds a fine-tuned epoch": statistics.median(epochs[1]),
        "test macro F1": test["f1_macro"],
        "test Brier score": test["brier_multi"],
    }


def _environment() -> dict[str, str]:
    threads = str(available_processors())
    return {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


if __name__ == "__main__":
    main()
