"""Finding wrong labels: a fifth of them is moved to other classes, and what is found is held against what was moved.

Per seed it prints how many of the first 100 suspects of train and validation were moved, precision and recall of all
of them, and the test macro F1 of the linear head trained on the moved labels, without the suspects, and on the labels
as they were. The test photos keep their labels.

    python -m benchmarks.suspects --photos FOLDER [--seeds 3] [--share 0.2]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import divided_photos, photo_sets
from quality_gate.data.snapshot import Snapshot
from quality_gate.data.sources import discover
from quality_gate.data.split import SplitResult, split
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.home import Home
from quality_gate.inference import softmax
from quality_gate.processors import available_processors
from quality_gate.progress import ConsoleReporter
from quality_gate.settings import SplitSettings
from quality_gate.training.head import train_head
from quality_gate.training.suspects import find_suspects, leave_out_suspects, plain_features
from quality_gate.transfer_settings import TransferSettings

FIRST = 100
SPLIT_SEED = 42

# Features of each photo by its path, float32, shape (F,).
Features = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Found:
    """Outcome of one seed; shares and scores in 0..1."""

    suspects: int
    first: float
    precision: float
    recall: float
    moved: float
    excluded: float
    clean: float

    def __str__(self) -> str:
        """The figures, a column each."""
        return (
            f"{self.suspects:8d} {self.first:10.2f} {self.precision:10.2f} {self.recall:7.2f} {self.moved:10.3f} "
            f"{self.excluded:9.3f} {self.clean:7.3f}"
        )


def move_labels(division: SplitResult, share: float, seed: int) -> SplitResult:
    """Give a share of the photos outside the test another label, each other class being equally likely."""
    rng = np.random.default_rng(seed)
    table = division.table.copy()
    candidates = table.index[~table["split"].isin(["test", ""])]
    classes = sorted(set(table.loc[candidates, "label"]))
    for index in rng.choice(candidates, round(share * len(candidates)), replace=False):
        table.loc[index, "label"] = rng.choice([label for label in classes if label != table.loc[index, "label"]])
    return replace(division, table=table)


def head_macro_f1(snapshot: Snapshot, division: SplitResult, features: Features) -> float:
    """Test macro F1 of the head trained on the train photos."""
    photos = photo_sets(snapshot, division.table)
    train, test = (np.stack([features[path] for path in part.paths]) for part in (photos.train, photos.test))
    head = train_head(train, photos.train.labels, photos.train.groups, SPLIT_SEED)
    probabilities = softmax(test @ head.weight.T + head.bias)
    return compute_metrics(photos.test.labels, probabilities, photos.test.classes).macro_f1


def measure(snapshot: Snapshot, division: SplitResult, features: Features, share: float, seed: int) -> Found:
    """Move labels, look for them, train without what was found."""
    moved = move_labels(division, share, seed)
    photos = divided_photos(snapshot, moved.table)
    suspects = find_suspects(photos, moved.table, np.stack([features[path] for path in photos.paths]), SPLIT_SEED)
    without = leave_out_suspects(moved, suspects, suspects.excludable, min_photos=1)
    truth = division.table.set_index("path")["label"]
    learning = moved.table[moved.table["split"].isin(["train", "validation"])]
    wrong = set(learning.loc[learning["label"] != learning["path"].map(truth), "path"])
    named = [path in wrong for path in suspects.table.loc[suspects.table["place"] > 0, "path"]]
    return Found(
        suspects=len(named),
        first=float(np.mean(named[:FIRST])),
        precision=float(np.mean(named)),
        recall=sum(named) / len(wrong),
        moved=head_macro_f1(snapshot, moved, features),
        excluded=head_macro_f1(snapshot, without, features),
        clean=head_macro_f1(snapshot, division, features),
    )


def main() -> None:
    """Measure every seed and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of class folders")
    parser.add_argument("--seeds", type=int, default=3, help="times other labels are moved")
    parser.add_argument("--share", type=float, default=0.2, help="share of the labels that is moved")
    options = parser.parse_args()
    reporter, workers = ConsoleReporter(), available_processors()
    with tempfile.TemporaryDirectory() as folder:
        source = discover(options.photos)
        snapshot = take_snapshot(source, Path(folder) / "snapshot").snapshot
        division = split(snapshot.table, SplitSettings(), SPLIT_SEED)
        photos = divided_photos(snapshot, division.table)
        rows = plain_features(photos, TransferSettings(), home=Home(Path(folder)), workers=workers, reporter=reporter)
        features = dict(zip(photos.paths, rows, strict=True))
        print(f"seed suspects first {FIRST:<4} precision  recall   F1 moved  excluded   clean")
        for seed in range(1, options.seeds + 1):
            print(f"{seed:4d} {measure(snapshot, division, features, options.share, seed)}", flush=True)


if __name__ == "__main__":
    main()
