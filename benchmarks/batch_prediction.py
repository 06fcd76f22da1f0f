"""A batch of photos against a plain loop that answers them one by one.

Three ways through the same folder run in turn, round after round, each in a process of its own:

- ``answer_batch``, which reads, hashes, decodes, measures and answers with a thread a processor, records every answer
  so that it outlives a kill, and logs it in SQLite;
- ``OnnxClassifier.predict`` of one photo after another, which only reads, decodes and answers;
- the same loop, which measures the photos too and commits each answer to a SQLite table by itself.

Printed are photos a second and processor time a photo, each the median of the rounds, and the medians of the ratios
within a round, so that other work on the machine falls on all alike. The network is EfficientNet-Lite0 with random
weights where no model folder is named: what it answers does not matter here.

    python -m benchmarks.batch_prediction [--photos FOLDER] [--model FOLDER] [--repeats 5]

``--memory`` prints the peak memory for copies of the photos in growing number, each in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.ways import Cost, cost_of, print_costs, print_memory
from quality_gate.batch_settings import BatchSettings
from quality_gate.data.image_facts import measure
from quality_gate.data.scenes import write_demo_photos
from quality_gate.data.sources.unlabelled import UnlabelledPhotos
from quality_gate.home import HOME_VARIABLE, locate
from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import MANIFEST_FILE, SERVING_FILE, ModelManifest, file_digest
from quality_gate.prediction.streaming import answer_batch
from quality_gate.preprocess import PreprocessingSpec, decode
from quality_gate.processors import available_processors


class SilentReporter:
    """Shows nothing."""

    def progress(self, _task: str) -> Callable[[int, int], None]:
        """A bar that is not shown."""
        return lambda _done, _total: None

    def say(self, _line: str) -> None:
        """Say nothing."""


def paths(folder: Path) -> list[Path]:
    """The photos below a folder."""
    return [Path(file.origin.name) for file in UnlabelledPhotos(str(folder)) if file.origin is not None]


def batch(folder: Path, classifier: OnnxClassifier, _home: Path) -> None:
    """The contestant."""
    answer_batch(BatchSettings(source=str(folder)), classifier, locate(), SilentReporter())


def loop(folder: Path, classifier: OnnxClassifier, _home: Path) -> None:
    """What anybody would write."""
    for path in paths(folder):
        classifier.predict([path.read_bytes()])


def logging_loop(folder: Path, classifier: OnnxClassifier, home: Path) -> None:
    """The same with what a log of the answers needs."""
    home.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(home / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE answers (path TEXT, answer TEXT, facts TEXT)")
    for path in paths(folder):
        data = path.read_bytes()
        (decision,) = classifier.predict([data])
        row = (str(path), str(decision.to_json()), str(measure(decode(data), data)))
        connection.execute("INSERT INTO answers VALUES (?, ?, ?)", row)
    connection.close()


BATCH = "answer_batch, all processors"
WAYS: dict[str, Callable[[Path, OnnxClassifier, Path], None]] = {
    BATCH: batch,
    "predict in a loop": loop,
    "predict in a loop, measured and logged": logging_loop,
}


def timed(name: str, folder: Path, model: Path) -> Cost:
    """Go one way through the photos, after a single photo of them, for which all libraries are loaded."""
    classifier = OnnxClassifier(model)
    with tempfile.TemporaryDirectory() as single:
        shutil.copy(paths(folder)[0], single)
        _run(name, Path(single), classifier)
    return _run(name, folder, classifier)


def _run(name: str, folder: Path, classifier: OnnxClassifier) -> Cost:
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        return cost_of(partial(WAYS[name], folder, classifier, Path(home)))


def answer_folder(folder: Path, model: Path) -> None:
    """Answer a folder as a batch does."""
    timed(BATCH, folder, model)


def write_model(folder: Path) -> Path:
    """A model folder with a network of random weights."""
    import torch

    from quality_gate.models.export import export_onnx
    from quality_gate.models.serving_network import optimise
    from quality_gate.models.zoo import architecture, assemble

    classes = ("noise", "onion", "potato", "tomato")
    torch.manual_seed(0)
    arch = architecture("efficientnet_lite0")
    folder.mkdir(parents=True)
    optimise(export_onnx(assemble(arch.build(), arch, len(classes)), 224, folder), folder / SERVING_FILE)
    spec = PreprocessingSpec(224, ("crop",), arch.mean, arch.std)
    digests = {"serving": file_digest(folder / SERVING_FILE)}
    ModelManifest("benchmark", arch.name, classes, spec, digests=digests, version="1").save(folder)
    return folder


def print_speed(folder: Path, model: Path, repeats: int) -> None:
    """Run all ways in turn and print medians."""
    rounds = []
    for _ in range(repeats + 1):
        costs = {}
        for name in WAYS:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                costs[name] = pool.submit(timed, name, folder, model).result()
        rounds.append(costs)
    print_costs(rounds[1:], BATCH, len(paths(folder)))


def main() -> None:
    """Print what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of photos; the demo photos if left out")
    parser.add_argument("--model", type=Path, help=f"a folder with {MANIFEST_FILE}; random weights if left out")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that are counted; one before them is not")
    parser.add_argument("--memory", action="store_true", help="measure memory in place of time")
    parser.add_argument("--counts", type=int, nargs="+", default=[500, 2_000, 8_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder, model = options.photos, options.model
        if folder is None:
            folder = Path(made) / "photos"
            write_demo_photos(folder, train_per_class=60, test_per_class=20, workers=available_processors())
        model = model or write_model(Path(made) / "model")
        if options.memory:
            photos = [path.read_bytes() for path in paths(folder)[:200]]
            print_memory(partial(answer_folder, model=model), photos, options.counts)
        else:
            print_speed(folder, model, options.repeats)


if __name__ == "__main__":
    main()
