"""What a photo costs from the ingest to a pass of fine-tuning, and what so many photos would cost at that rate.

Everything but the tables is measured on real photos, in processor time (of all threads), which other work on the
machine does not change; the tables, in memory, on rows that are made up. The network is the default one, with the
default rows of a photo. What does not grow as the photos do is not in here: the head, which is a logistic regression on
all features at once, and near-duplicates (``python -m benchmarks.near_duplicates``).

    python -m benchmarks.scale --photos FOLDER [--count 400] [--target 10000000]
"""

from __future__ import annotations

import argparse
import tempfile
import tracemalloc
from dataclasses import replace
from functools import partial
from hashlib import sha256
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
from quality_gate.training.objective import Rows
from quality_gate.training.pretrained import pretrained
from quality_gate.training.recipe import fine_tuning
from quality_gate.training.threads import pin_threads
from quality_gate.training.transfer import training_rows
from quality_gate.transfer_settings import TransferSettings

SETTINGS = TransferSettings(finetune_min_photos=0, finetune_epochs=1)
TABLE_ROWS = 20_000
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
    # Here and below once before, for what is loaded when it is first used.
    take_snapshot(source, folder / "unmeasured")
    taking = cost_of(lambda: take_snapshot(source, folder / "snapshot"))
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
    recipe = fine_tuning(SETTINGS, stages=len(network.tail), photos=ROWS, seed=0)
    some = Rows(seen.activations[:ROWS], labels[:ROWS])
    one = Rows(some.inputs[:1], some.labels[:1])
    learn = partial(
        fit,
        network.tail_and_head(),
        device=backbone.device,
        stages=network.tail,
        freeze_batch_norm=True,
        validation=one,
    )
    learn(train=some, recipe=replace(recipe, rows_per_epoch=2))
    passing = cost_of(lambda: learn(train=some, recipe=recipe))
    validating = cost_of(lambda: learn(train=some, recipe=replace(recipe, epochs=0), validation=some))
    count = len(photos)
    size = {
        "photo": sum(map(len, photos.read())) / count,
        "snapshot": _bytes_below(snapshot.folder) / count,
        "activations": seen.activations.nbytes / count,
        "features": seen.features.nbytes / count,
        "kept features and activations": _bytes_below(folder / "features", "*.sqlite") / count,
    }
    return size, {
        "audit and snapshot": taking.processor / count,
        f"features of {len(rows)} rows": seeing.processor / count,
        "the same, kept from before": recalling.processor / count,
        "a pass of fine-tuning": passing.processor / ROWS,
        "validation": validating.processor / ROWS,
    }


def table_bytes() -> float:
    """Memory that a photo takes in the image table, the places of the photos and the set of a step."""
    table = build_table(_row(number) for number in range(TABLE_ROWS))
    snapshot = Snapshot(Path(), "", "", tuple(sorted(set(table["label"]))), {})
    shard = Path("00000.parquet")
    tracemalloc.start()
    places = {image_id: Location(shard, number // 50, number % 50) for number, image_id in enumerate(table["image_id"])}
    photos = divided_photos(snapshot, table)
    assert len(places) == len(photos) == TABLE_ROWS
    held = tracemalloc.get_traced_memory()[0] + int(table.memory_usage(deep=True).sum())
    tracemalloc.stop()
    return held / TABLE_ROWS


def _row(number: int) -> dict[str, object]:
    image_id = sha256(str(number).encode()).hexdigest()
    return {
        "image_id": image_id, "path": f"line 3/2026-11-30/{number:09}.jpg", "label": f"class {number % 30:02}",
        "split": "train", "group": image_id[:16], "width": 640, "height": 480, "mode": "RGB", "format": "JPEG",
        "phash": image_id[:16], "is_readable": True,
    }  # fmt: skip


def _bytes_below(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def _silent(_done: int, _total: int) -> None:
    """Progress is not shown."""


if __name__ == "__main__":
    main()
