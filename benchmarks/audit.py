"""The audit of photos: against plain decoding, and its memory as the photos become more.

Three ways through the same folder run in turn, round after round: ``audit`` with a thread a processor; decoding alone
with the same threads; and a loop on one processor that opens each photo with Pillow, decodes it and drops it. Printed
are photos a second and processor time a photo, each the median of the rounds, and the medians of the ratios within a
round, so that other work on the machine falls on all three alike.

    python -m benchmarks.audit [--photos FOLDER] [--repeats 5]

``--memory`` audits copies of the photos, each different by its last bytes, in a process of its own for each number,
and prints the peak memory and what it grew by for each photo more.

    python -m benchmarks.audit --memory [--counts 1000 10000 50000]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from quality_gate.data.audit import audit
from quality_gate.data.batches import ordered_map
from quality_gate.data.image_table import build_table
from quality_gate.data.scenes import write_demo_photos
from quality_gate.data.sources import Source, discover
from quality_gate.preprocess import decode
from quality_gate.processors import available_processors


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of processor time."""

    wall: float
    processor: float


def paths(source: Source) -> list[Path]:
    """Where the photos of a local source are."""
    return [Path(file.origin.name) for file in source.files if file.origin is not None]


def audited(source: Source) -> None:
    """The contestant."""
    for _ in audit(source.files, workers=available_processors()):
        pass


def decoded_in_threads(source: Source) -> None:
    """What the audit cannot do without."""
    for _ in ordered_map(_decode, paths(source), workers=available_processors()):
        pass


def _decode(path: Path) -> None:
    decode(path.read_bytes())


def decoded_by_pillow(source: Source) -> None:
    """The plain loop on one processor."""
    for path in paths(source):
        with Image.open(path) as image:
            image.convert("RGB").load()


WAYS: dict[str, Callable[[Source], None]] = {
    "audit, all processors": audited,
    "decode alone, all processors": decoded_in_threads,
    "Pillow, one processor": decoded_by_pillow,
}


def timed(way: Callable[[Source], None], source: Source) -> Cost:
    """Run one way through the photos."""
    wall, processor = time.perf_counter(), time.process_time()
    way(source)
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


def print_speed(folder: Path, repeats: int) -> None:
    """Run all ways in turn and print medians."""
    source = discover(folder)
    rounds = [{name: timed(way, source) for name, way in WAYS.items()} for _ in range(repeats + 1)][1:]
    photos = len(source.files)
    print(f"{folder}: {photos} photos, {available_processors()} processors, {repeats} rounds")
    for name in WAYS:
        wall = statistics.median(costs[name].wall for costs in rounds)
        processor = statistics.median(costs[name].processor for costs in rounds)
        print(f"{name:<30} {photos / wall:8.0f} photos/s   {1000 * processor / photos:6.2f} ms of processor a photo")
    audit_name, decode_name, pillow_name = WAYS
    for name, ratio in {
        "photos/s of the audit, of Pillow's on one processor": [
            c[pillow_name].wall / c[audit_name].wall for c in rounds
        ],
        "time of the audit, of decoding alone": [c[audit_name].wall / c[decode_name].wall for c in rounds],
        "processor time of the audit, of decoding alone": [
            c[audit_name].processor / c[decode_name].processor for c in rounds
        ],
        "processor time of the audit, of Pillow's": [
            c[audit_name].processor / c[pillow_name].processor for c in rounds
        ],
    }.items():
        print(f"{name:<52} {statistics.median(ratio):5.2f} times ({min(ratio):.2f} to {max(ratio):.2f})")


def write_copies(photos: list[bytes], folder: Path, count: int) -> None:
    """Write so many different files: what follows the end of a JPEG is no part of the picture."""
    for label in ("first", "second"):
        (folder / label).mkdir(parents=True)
    for number in range(count):
        data = photos[number % len(photos)] + number.to_bytes(8, "big")
        (folder / ("first", "second")[number % 2] / f"{number:07}.jpg").write_bytes(data)


def peak_memory(folder: Path) -> float:
    """Audit a folder in this process: the peak of its memory, in MB."""
    build_table(one.row for one in audit(discover(folder).files))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def print_memory(folder: Path, counts: list[int]) -> None:
    """Audit ever more photos, each number in a process of its own."""
    photos = [path.read_bytes() for path in paths(discover(folder))[:200]]
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory() as copies:
            write_copies(photos, Path(copies) / "photos", count)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                peaks.append((count, pool.submit(peak_memory, Path(copies) / "photos").result()))
        print(f"{count:>8,} photos  {peaks[-1][1]:7.1f} MB", flush=True)
    for (fewer, low), (more, high) in pairwise(peaks):
        print(f"from {fewer:,} to {more:,}: {2**20 * (high - low) / (more - fewer):,.0f} bytes a photo more")


def main() -> None:
    """Print what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of class folders; the demo photos if left out")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that are counted; one before them is not")
    parser.add_argument("--memory", action="store_true", help="measure memory in place of time")
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.photos
        if folder is None:
            folder = Path(made) / "photos"
            write_demo_photos(folder, train_per_class=60, test_per_class=20, workers=available_processors())
        if options.memory:
            print_memory(folder, options.counts)
        else:
            print_speed(folder, options.repeats)


if __name__ == "__main__":
    main()
