"""The prediction log: what it costs an answer to be durable, and how quickly answers come into the database.

``outbox``, as a service uses it, with both settings of its durability, runs in turn with a plain SQLite table that
commits every row (WAL, synchronous FULL, one connection that the threads share), round after round, so that other work
on the machine and its disk falls on all alike. Printed are appends a second, the median and the 99th percentile of the
time that one append takes, its processor time, and the median of the ratios of appends a second to those of the plain
table in the same round.

    python -m benchmarks.prediction_log [--rounds 9] [--threads 1 8] [--folder FOLDER]

``--database-url URL`` (again for each further one) ships a full outbox into an empty table and prints rows a second;
without it the table is a SQLite file.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

from quality_gate.monitoring.outbox import Durability, Outbox
from quality_gate.monitoring.prediction import ImageStatistics, Prediction
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.monitoring.shipper import Shipper

TEMPLATE = Prediction(
    id=uuid4(),
    time=datetime.now(UTC),
    image_sha256="0123456789abcdef" * 4,
    image_name="belt-3/2026-03-04/000123.jpg",
    gate="visual_quality_gate",
    model_version="7",
    label="potato",
    probabilities={"noise": 0.0123456789, "onion": 0.1234567891, "potato": 0.8123456789, "tomato": 0.0518518531},
    confidence=0.8123456789,
    decision="accept",
    threshold=0.7123456789,
    latency_ms=12.3456789,
    origin="service",
    image=ImageStatistics(640, 480, 120.2512, 0.512345678, 0.212345678, 0.61234567, 0.51234567, 0.41234567, 830.512345),
)

Append = Callable[[Prediction], None]


@dataclass(frozen=True)
class Measured:
    """One contestant in one round; times in seconds."""

    rate: float
    median: float
    p99: float
    processor: float


@contextmanager
def outbox(durability: Durability, folder: Path) -> Iterator[Append]:
    """The contestant."""
    opened = Outbox(folder, durability=durability)
    yield lambda prediction: opened.append([prediction])
    opened.close()


@contextmanager
def plain_table(folder: Path) -> Iterator[Append]:
    """A commit a row."""
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE predictions (id TEXT PRIMARY KEY, record TEXT NOT NULL)")
    lock = threading.Lock()

    def append(prediction: Prediction) -> None:
        with lock:
            connection.execute("INSERT INTO predictions VALUES (?, ?)", (prediction.id.hex, prediction.to_json()))

    yield append
    connection.close()


def measure(append: Append, threads: int, seconds: float) -> Measured:
    """Append as fast as it goes, from some threads."""
    times: list[list[float]] = [[] for _ in range(threads)]
    end = time.perf_counter() + seconds

    def work(mine: list[float]) -> None:
        while (begun := time.perf_counter()) < end:
            append(replace(TEMPLATE, id=uuid4()))
            mine.append(time.perf_counter() - begun)

    workers = [threading.Thread(target=work, args=(mine,)) for mine in times]
    begun, processor = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wall, processor = time.perf_counter() - begun, time.process_time() - processor
    every = sorted(one for mine in times for one in mine)
    return Measured(len(every) / wall, statistics.median(every), every[int(0.99 * len(every))], processor / len(every))


def print_appends(folder: Path, threads: int, rounds: int, seconds: float) -> None:
    """Measure all contestants in turn; one round before those that count is not counted."""
    contestants: dict[str, Callable[[Path], AbstractContextManager[Append]]] = {
        "outbox, power_loss": partial(outbox, "power_loss"),
        "outbox, process_kill": partial(outbox, "process_kill"),
        "plain SQLite": plain_table,
    }
    found: dict[str, list[Measured]] = {}
    for number in range(rounds + 1):
        for name, contestant in contestants.items():
            with tempfile.TemporaryDirectory(dir=folder) as place, contestant(Path(place)) as append:
                measured = measure(append, threads, seconds)
            if number:
                found.setdefault(name, []).append(measured)
    print(f"{threads} threads: appends/s, median ms, p99 ms, processor µs an append, times plain SQLite")
    plain = found["plain SQLite"]
    for name, all_rounds in found.items():
        rate, median, p99, processor = (
            statistics.median(getattr(one, field) for one in all_rounds)
            for field in ("rate", "median", "p99", "processor")
        )
        ratio = statistics.median(one.rate / other.rate for one, other in zip(all_rounds, plain, strict=True))
        print(
            f"  {name:22} {rate:9,.0f} {1e3 * median:9.3f} {1e3 * p99:9.3f} {1e6 * processor:9.0f} {ratio:9.2f}",
            flush=True,
        )


def print_shipping(folder: Path, url: str, rows: int) -> None:
    """Ship a full outbox into an empty table."""
    with tempfile.TemporaryDirectory(dir=folder) as place, PredictionLog.open(url) as log:
        full = Outbox(Path(place), durability="process_kill")
        for _ in range(0, rows, 100):
            full.append([replace(TEMPLATE, id=uuid4(), time=datetime.now(UTC)) for _ in range(100)])
        full.close()
        shipper = Shipper(Path(place), lambda: PredictionLog.open(url))
        before, begun, processor = log.count(), time.perf_counter(), time.process_time()
        shipper.start()
        while not shipper.flush(timeout=600):
            pass
        wall, processor = time.perf_counter() - begun, time.process_time() - processor
        shipper.close(timeout=60)
        assert log.count() - before == rows
    print(
        f"shipped to {log.name.partition(':')[0]:12} {rows / wall:9,.0f} rows/s, {1e6 * processor / rows:.0f} µs a row"
    )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds that are counted; one before them is not")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each contestant appends in a round")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rows", type=int, default=20_000, help="rows that are shipped")
    parser.add_argument("--folder", type=Path, help="on the disk that is measured; the temporary folder if left out")
    parser.add_argument("--database-url", action="append", help="of an empty database to ship into")
    options = parser.parse_args()
    for threads in options.threads:
        print_appends(options.folder, threads, options.rounds, options.seconds)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        for url in options.database_url or [f"sqlite:///{place}/predictions.db"]:
            print_shipping(options.folder, url, options.rows)


if __name__ == "__main__":
    main()
