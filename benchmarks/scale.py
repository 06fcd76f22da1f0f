"""What a photo costs from the ingest to a pass of fine-tuning, and what so many photos would cost at that rate.

Everything but the tables is measured on real photos, in processor time (of all threads), which other work on the
machine does not change; the tables, in memory, on rows that are made up, in a process of their own. The network is the
default one, with the default rows of a photo. Nothing that grows faster than the photos is in here: near-duplicates are
``python -m benchmarks.near_duplicates``.

    python -m benchmarks.scale --photos FOLDER [--count 400] [--target 10000000]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.ways import cost_of
from quality_gate.data.image_table import build_table
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import divided_photos
from quality_gate.data.shards import Location
from quality_gate.data.snapshot import Snapshot
from quality_gate.data.sources import Source, discover
from quality_gate.home import Home
from quality_gate.training.fit import fit
from quality_gate.training.head import train_head
from quality_gate.training.objective import Rows
from quality_gate.training.pretrained import pretrained
from quality_gate.training.recipe import fine_tuning
from quality_gate.training.threads import pin_threads
from quality_gate.training.transfer import training_rows
from quality_gate.transfer_settings import TransferSettings

SETTINGS = TransferSettings(finetune_min_photos=0, finetune_epochs=1)
TABLE_ROWS = (50_000, 200_000)
# Rows that fine-tuning and its validation look at.
ROWS = 256
HOUR = 3600


def main() -> None:
    """Print the cost of a photo of each task, and of the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="class folders")
    parser.add_argument("--count", type=int, default=400, help="photos that are measured")
    parser.add_argument("--target", type=int, default=10_000_000, help="photos that are reckoned with")
    options = parser.parse_args()
    found = discover(options.photos)
    step = max(1, len(found.files) // options.count)
    source = replace(found, files=found.files[::step])
    pin_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        size, seconds = measured(source, Path(folder))
    size["memory of the tables"] = table_bytes()
    print(f"{len(source.files)} photos; {'a photo':>42} {f'{options.target:,}':>20}")
    for name, one in size.items():
        print(f"{name:<40} {one / 1024:8.1f} KB  {one * options.target / 2**40:14.3f} TB")
    for name, one in seconds.items():
        print(f"{name:<40} {1000 * one:8.2f} ms  {one * options.target / HOUR:14.1f} processor hours")


def measured(source: Source, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Bytes, and seconds of the processor, of a photo."""
    start = cost_of(lambda: take_snapshot(source, folder / "snapshot"))
    snapshot = Snapshot.open(folder / "snapshot")
    table = snapshot.table
    table = table[table["is_readable"]].assign(split="train", group=lambda rows: rows["image_id"])
    photos = divided_photos(snapshot, table)
    rows = training_rows(SETTINGS)

    torch.manual_seed(0)
    backbone = pretrained(SETTINGS, len(photos.classes), Home(folder), workers=1)
    network = backbone.network
    see = partial(backbone.backbone.see, photos, rows, seed=0, on_progress=_silent, activations=True, folder=folder)
    seeing, recalling = cost_of(see), cost_of(see)
    seen = see()
    assert seen.activations is not None
    labels = photos.labels.repeat(len(rows))
    learning = cost_of(lambda: train_head(seen.features, labels, photos.groups.repeat(len(rows)), 0))
    recipe = fine_tuning(SETTINGS, stages=len(network.tail), photos=ROWS, seed=0)
    some = Rows(seen.activations[:ROWS], labels[:ROWS])
    one = Rows(some.inputs[:1], some.labels[:1])
    passing = cost_of(
        lambda: fit(
            network.tail_and_head(), some, one, recipe, backbone.device, stages=network.tail, freeze_batch_norm=True
        )
    )
    validating = cost_of(lambda: fit(network.tail_and_head(), some, some, replace(recipe, epochs=0), backbone.device))
    count = len(photos)
    size = {
        "photo": sum(map(len, photos.read())) / count,
        "snapshot": _bytes_below(snapshot.folder) / count,
        "activations": seen.activations.nbytes / count,
        "features": seen.features.nbytes / count,
        "kept features and activations": _bytes_below(folder / "features") / count,
    }
    return size, {
        "audit and snapshot": start.processor / count,
        f"features of {len(rows)} rows": seeing.processor / count,
        "the same, kept from before": recalling.processor / count,
        "head": learning.processor / count,
        "a pass of fine-tuning": passing.processor / ROWS,
        "validation": validating.processor / ROWS,
    }


def table_bytes() -> float:
    """Memory that the image table, the places of the photos and the sets of a step take for each photo more."""
    peaks = []
    for count in TABLE_ROWS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            peaks.append((count, pool.submit(_peak_of_tables, count).result()))
    return next((high - low) / (more - fewer) for (fewer, low), (more, high) in pairwise(peaks))


def _peak_of_tables(count: int) -> int:
    def row(number: int) -> dict[str, object]:
        image_id = sha256(str(number).encode()).hexdigest()
        return {
            "image_id": image_id, "path": f"line 3/2026-11-30/{number:09}.jpg", "label": f"class {number % 30:02}",
            "split": "train", "group": image_id[:16], "width": 640, "height": 480, "mode": "RGB", "format": "JPEG",
            "phash": image_id[:16], "is_readable": True,
        }  # fmt: skip

    table = build_table(row(number) for number in range(count))
    snapshot = Snapshot(Path(), "", "", tuple(sorted(set(table["label"]))), {})
    shard = Path("00000.parquet")
    places = {image_id: Location(shard, number // 50, number % 50) for number, image_id in enumerate(table["image_id"])}
    photos = divided_photos(snapshot, table)
    assert len(photos) == len(places) == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _silent(_done: int, _total: int) -> None:
    """Progress is not shown."""


if __name__ == "__main__":
    main()
