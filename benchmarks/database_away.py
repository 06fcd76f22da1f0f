"""The database of the prediction log goes away while the service answers, and comes back.

A Bento is served with a PostgreSQL of its own and asked for a few answers a second, without a pause. PostgreSQL is
stopped at once, with its transactions open, and started again after some minutes. Printed are the requests that
failed, the answers that are missing in the log or in it twice, how much had piled up, how long the log took to catch up
once the database answered again, and the memory of the worker::

    python -m benchmarks.database_away --bento my_gate:latest [--minutes 1] [--rate 5]
"""

from __future__ import annotations

import argparse
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.postgres import PostgresServer
from benchmarks.servers import bento_server, connect, form, status
from quality_gate.data.scenes import encode_scene
from quality_gate.monitoring.journal import BacklogCounter, waiting_bytes
from quality_gate.monitoring.prediction_log import PredictionLog, Window

# Before the database goes away, and after it has come back and the log has caught up.
SETTLE_SECONDS = 30.0
CATCH_UP_SECONDS = 600.0


class Belt(threading.Thread):
    """Sends photos at a steady rate, one after the other, until it is told to stop.

    Args:
        port: of the server.
        photos: encoded; sent in turn.
        rate: photos a second.
    """

    def __init__(self, port: int, photos: Sequence[bytes], rate: float) -> None:
        super().__init__()
        self.answered: list[str] = []
        self.failures: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._port = port
        self._photos = photos
        self._rate = rate
        self._enough = threading.Event()

    def run(self) -> None:
        """Send photos; a connection that breaks is a failure, and the next photo gets a new one."""
        connection = connect(self._port)
        start = time.perf_counter()
        number = 0
        while not self._enough.wait(max(0.0, start + number / self._rate - time.perf_counter())):
            name = f"belt {number}.jpg"
            sent = time.perf_counter()
            try:
                answer = status(connection, form(self._photos[number % len(self._photos)], name))
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.failures[type(error).__name__] += 1
            else:
                if answer == 200:
                    self.answered.append(name)
                else:
                    self.failures[str(answer)] += 1
            self.slowest_s = max(self.slowest_s, time.perf_counter() - sent)
            number += 1
        connection.close()

    def stop(self) -> None:
        """Send no more."""
        self._enough.set()
        self.join()


def main() -> None:
    """Take the database away, bring it back, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bento", default="visual_quality_gate:latest", help="the Bento")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long the database is away")
    parser.add_argument("--rate", type=float, default=5.0, help="photos a second")
    options = parser.parse_args()
    postgres = PostgresServer()
    try:
        postgres.start()
        take_away(postgres, options.bento, 60 * options.minutes, options.rate)
    finally:
        postgres.shut_down()


def take_away(postgres: PostgresServer, bento: str, seconds: float, rate: float) -> None:
    """Serve the Bento, take its database away for so many seconds, and print what came of it.

    Args:
        postgres: running; it runs again when this returns.
        bento: tag of the Bento.
        seconds: how long the database is away.
        rate: photos a second.
    """
    url = postgres.new_database()
    photos = [encode_scene(label, 1) for label in ("noise", "onion", "potato", "tomato")]
    with TemporaryDirectory() as outbox:
        settings = {"QUALITY_GATE_DATABASE_URL": url, "QUALITY_GATE_OUTBOX": outbox}
        with bento_server(bento, form(photos[0], "start.jpg"), settings) as server:
            with _asked(Belt(server.port, photos, rate)) as belt:
                time.sleep(SETTLE_SECONDS)
                before = server.memory_mb
                postgres.stop()
                time.sleep(seconds)
                rows, size = BacklogCounter(Path(outbox)).backlog().rows, waiting_bytes(Path(outbox))
                away = server.memory_mb
                postgres.start()
                back, expected = time.perf_counter(), len(belt.answered)
                with PredictionLog.open(url) as log:
                    _wait_until(lambda: log.count() > expected)
                caught_up = time.perf_counter() - back
                time.sleep(SETTLE_SECONDS)
            after = server.memory_mb
        # The server has ended, and brought what was left into the database.
        with PredictionLog.open(url) as log:
            names = [row.image_name for page in log.read(Window()) for row in page if row.image_name != "start.jpg"]
    print(f"database away for {seconds / 60:g} minutes, {rate:g} photos a second")
    print(f"answered {len(belt.answered):,}, failed {sum(belt.failures.values())} {dict(belt.failures) or ''}")
    print(f"slowest answer {1000 * belt.slowest_s:.0f} ms")
    print(f"missing in the log {len(set(belt.answered) - set(names))}, in it twice {len(names) - len(set(names))}")
    print(f"waiting at the end {rows:,} answers, {size / 1e6:.1f} MB; in the log {caught_up:.1f} s after it was back")
    print(f"worker before {before:.0f} MB, while the database was away {away:.0f} MB, after {after:.0f} MB")


@contextmanager
def _asked(belt: Belt) -> Iterator[Belt]:
    belt.start()
    try:
        yield belt
    finally:
        belt.stop()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"the log has not caught up after {CATCH_UP_SECONDS:g} seconds")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
