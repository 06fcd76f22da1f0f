"""A first ingest: against plain decoding, and its memory as the photos become more.

Six ways through the same folder run in turn, round after round, each in a process of its own, because how memory was
used before decides what each picture's costs; all threads are given as many photos at a time:

- ``take_snapshot`` with its defaults: reads, decodes, measures, writes shards and tables; of many photos it starts a
  process a processor, each time anew;
- ``decode`` of all pixels, with the same threads;
- ``decode`` as small as the audit does, which it cannot do without, with the same threads;
- ``Image.open(file).convert("RGB")``, which is what torchvision's loader of class folders does, with the same threads;
- the same in a loop on one processor;
- ``Image.open(file).load()`` in a loop on one processor: the same without ``convert``, which copies even RGB.

Printed are photos a second and processor time a photo, each the median of the rounds, and the medians of the ratios
within a round, so that other work on the machine falls on all alike.

    python -m benchmarks.audit [--photos FOLDER] [--copies 1] [--repeats 5]

``--memory`` takes snapshots of copies of the photos, each different by its last bytes, in a process of its own for each
number, and prints the peak memory and what it grew by for each photo more.

    python -m benchmarks.audit --memory [--counts 1000 10000 50000]

``--agreement`` compares what the audit measures of the photos, which it decodes small, with what serving does, which
decodes all pixels: for each statistic that drift is told by the mean and the largest difference, in standard deviations
of the photos, and for the perceptual hash the bits that differ.

    python -m benchmarks.audit --agreement [--photos FOLDER]

``--lock`` prints which share of the processor time of auditing a photo is spent in calls that let other threads of the
process run, and with it how many processors the threads of one process can keep busy at most.

    python -m benchmarks.audit --lock [--photos FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.ways import Cost, cost_of, print_costs, print_memory, write_copies
from quality_gate.data.audit import FILES_AT_ONCE
from quality_gate.data.batches import ordered_map
from quality_gate.data.image_facts import THUMBNAIL_EDGE, audit_bytes, measure
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.scenes import write_demo_photos
from quality_gate.data.sources import Source, discover
from quality_gate.drift.observations import STATISTICS
from quality_gate.preprocess import decode
from quality_gate.processors import available_processors


def paths(source: Source) -> list[Path]:
    """Where the photos of a local source are."""
    return [Path(file.origin.name) for file in source.files if file.origin is not None]


def ingested(source: Source) -> None:
    """The contestant."""
    with tempfile.TemporaryDirectory() as folder:
        take_snapshot(source, Path(folder) / "snapshot", stores=Path(folder) / "stores")


def decoded_in_threads(source: Source) -> None:
    """All pixels, as training and serving need them."""
    _in_threads(_decode, source)


def decoded_small_in_threads(source: Source) -> None:
    """What the contestant cannot do without."""
    _in_threads(_decode_small, source)


def loaded_in_threads(source: Source) -> None:
    """Torchvision's loader, with as many threads."""
    _in_threads(_load_as_torchvision, source)


def loaded(source: Source) -> None:
    """Torchvision's loader on one processor."""
    for path in paths(source):
        _load_as_torchvision(path)


def only_decoded(source: Source) -> None:
    """The least that Pillow can do, on one processor."""
    for path in paths(source):
        with path.open("rb") as file:
            Image.open(file).load()


def print_lock(folder: Path) -> None:
    """Time the calls of Pillow and hashlib that release the interpreter's lock, within audits on one thread."""
    encoded = [path.read_bytes() for path in paths(discover(folder))[:300]]
    whole = cost_of(lambda: [audit_bytes(photo) for photo in encoded]).processor
    calls: list[tuple[str, float]] = []
    released = 0.0

    def watch(_frame: object, event: str, called: object) -> None:
        nonlocal released
        if event == "c_call":
            calls.append((getattr(called, "__qualname__", ""), time.thread_time()))
        elif event in ("c_return", "c_exception") and calls:
            name, start = calls.pop()
            released += time.thread_time() - start if name in RELEASING else 0.0

    sys.setprofile(watch)
    try:
        for photo in encoded:
            audit_bytes(photo)
    finally:
        sys.setprofile(None)
    held = 1 - released / whole
    print(f"{len(encoded)} photos of {sum(map(len, encoded)) / len(encoded) / 1024:.0f} KB")
    print(f"{1000 * whole / len(encoded):.2f} ms of processor a photo, {held:.0%} of it with the lock")
    print(f"threads of one process keep at most {1 / held:.1f} processors busy")


def _in_threads(work: Callable[[Path], None], source: Source) -> None:
    for _ in ordered_map(work, paths(source), workers=available_processors(), at_once=FILES_AT_ONCE):
        pass


def _decode(path: Path) -> None:
    decode(path.read_bytes())


def _decode_small(path: Path) -> None:
    decode(path.read_bytes(), edge=THUMBNAIL_EDGE)


def _load_as_torchvision(path: Path) -> None:
    with path.open("rb") as file:
        Image.open(file).convert("RGB")


# Calls that let other threads run meanwhile.
RELEASING = {
    "ImagingDecoder.decode", "ImagingCore.convert", "ImagingCore.reduce", "ImagingCore.resize", "openssl_sha256",
}  # fmt: skip
INGEST = "take_snapshot, all processors"
WAYS: dict[str, Callable[[Source], None]] = {
    INGEST: ingested,
    "decode, all processors": decoded_in_threads,
    "decode small, all processors": decoded_small_in_threads,
    "torchvision's loader, all processors": loaded_in_threads,
    "torchvision's loader, one processor": loaded,
    "Pillow's load, one processor": only_decoded,
}


def timed(name: str, source: Source) -> Cost:
    """Run one way through the photos."""
    return cost_of(partial(WAYS[name], source))


def print_speed(folder: Path, repeats: int) -> None:
    """Run all ways in turn and print medians."""
    source = discover(folder)
    with ExitStack() as stack:
        pools = {name: stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for name in WAYS}
        rounds = [
            {name: pool.submit(timed, name, source).result() for name, pool in pools.items()}
            for _ in range(repeats + 1)
        ]
    print_costs(rounds[1:], INGEST, len(source.files))


def print_agreement(folder: Path) -> None:
    """Print how far the measures of photos that are decoded small are from those of whole ones."""
    small, whole = [], []
    for path in paths(discover(folder)):
        data = path.read_bytes()
        small.append(audit_bytes(data))
        whole.append(measure(decode(data), data))
    print(f"{len(small)} photos; differences in standard deviations: mean, largest")
    for name in STATISTICS:
        ours, theirs = (np.array([getattr(facts, name) for facts in side], dtype=np.float64) for side in (small, whole))
        differences = (ours - theirs) / max(theirs.std(), np.finfo(np.float64).tiny)
        print(f"{name:<14} {differences.mean():+8.4f} {np.abs(differences).max():8.4f}")
    bits = [(int(one.phash, 16) ^ int(other.phash, 16)).bit_count() for one, other in zip(small, whole, strict=True)]
    print(f"bits of the hash that differ, and photos: {dict(sorted(Counter(bits).items()))}")


def ingest_folder(folder: Path) -> None:
    """Take a snapshot of a folder."""
    ingested(discover(folder))


def main() -> None:
    """Print what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of class folders; the demo photos if left out")
    parser.add_argument("--copies", type=int, default=1, help="how often each photo is there, as different files")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that are counted; one before them is not")
    parser.add_argument("--memory", action="store_true", help="measure memory in place of time")
    parser.add_argument("--agreement", action="store_true", help="compare what is measured in place of time")
    parser.add_argument("--lock", action="store_true", help="measure what threads can share in place of time")
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.photos
        if folder is None:
            folder = Path(made) / "photos"
            write_demo_photos(folder, train_per_class=60, test_per_class=20, workers=available_processors())
        if options.copies > 1:
            photos = [path.read_bytes() for path in paths(discover(folder))]
            folder = Path(made) / "copies"
            folder.mkdir()
            write_copies(photos, folder, options.copies * len(photos))
        if options.memory:
            photos = [path.read_bytes() for path in paths(discover(folder))[:200]]
            print_memory(ingest_folder, photos, options.counts)
        elif options.agreement:
            print_agreement(folder)
        elif options.lock:
            print_lock(folder)
        else:
            print_speed(folder, options.repeats)


if __name__ == "__main__":
    main()
