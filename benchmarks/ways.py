"""Ways through the same photos, compared in turn, and the memory that more photos take."""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from quality_gate.processors import available_processors


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of processor time."""

    wall: float
    processor: float


def cost_of(work: Callable[[], object]) -> Cost:
    """Do the work and measure it, with the processes that it starts and ends."""
    wall, processor = time.perf_counter(), _processor_time()
    work()
    return Cost(time.perf_counter() - wall, _processor_time() - processor)


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def print_costs(rounds: Sequence[Mapping[str, Cost]], contestant: str, photos: int) -> None:
    """Print medians of every way, and of its ratios to the contestant within a round.

    Args:
        rounds: costs of all ways by name.
        contestant: the way that the others are compared with.
        photos: photos of a round.
    """
    width = max(map(len, rounds[0]))
    print(f"{photos} photos, {available_processors()} processors, {len(rounds)} rounds")
    for name in rounds[0]:
        wall = statistics.median(costs[name].wall for costs in rounds)
        processor = statistics.median(costs[name].processor for costs in rounds)
        print(f"{name:<{width}} {photos / wall:8.0f} photos/s {1000 * processor / photos:6.2f} ms of processor a photo")
    print(f"{contestant} by each: photos/s, and processor time")
    for name in [name for name in rounds[0] if name != contestant]:
        speed = [costs[name].wall / costs[contestant].wall for costs in rounds]
        effort = [costs[contestant].processor / costs[name].processor for costs in rounds]
        print(f"{name:<{width}} {_spread(speed)}   {_spread(effort)}")


def print_memory(work: Callable[[Path], object], photos: Sequence[bytes], counts: Sequence[int]) -> None:
    """Print the peak memory of work on ever more photos, each number in a process of its own, without those it starts.

    Args:
        work: is given a folder with two class folders; a function of a module.
        photos: encoded; copies of them are other files by their last bytes.
        counts: how many photos, in rising order.
    """
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            write_copies(photos, Path(folder), count)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                peaks.append((count, pool.submit(_peak_mb, work, Path(folder)).result()))
        print(f"{count:>8,} photos  {peaks[-1][1]:7.1f} MB", flush=True)
    for (fewer, low), (more, high) in pairwise(peaks):
        print(f"from {fewer:,} to {more:,}: {2**20 * (high - low) / (more - fewer):,.0f} bytes a photo more")


def _peak_mb(work: Callable[[Path], object], folder: Path) -> float:
    work(folder)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def write_copies(photos: Sequence[bytes], folder: Path, count: int) -> None:
    """Write so many different files in two class folders: what follows the end of a JPEG is no part of the picture."""
    for label in ("first", "second"):
        (folder / label).mkdir()
    for number in range(count):
        data = photos[number % len(photos)] + number.to_bytes(8, "big")
        (folder / ("first", "second")[number % 2] / f"{number:07}.jpg").write_bytes(data)


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):5.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
