"""Brings what lies in an outbox into the prediction log, in the background.

    shipper = Shipper(folder, lambda: PredictionLog.open(url))
    shipper.start()
    ...
    outbox.close()
    shipper.flush(timeout=5.0)         # whether all that was appended before is in the database
    shipper.close(timeout=5.0)

Every process that serves may start one; a file lock lets one of them work, and the system gives it to another when that
process ends in any way. A row leaves the outbox after the database has committed it. What is shipped twice, because
somebody was killed between the two, is kept once. SQLAlchemy is imported by the thread, not here.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from quality_gate.monitoring.journal import (
    REFUSED_FILE,
    Shipped,
    decode_line,
    journals,
    read_shipped,
    read_whole_lines,
    sizes,
    write_shipped,
)

if TYPE_CHECKING:
    from quality_gate.monitoring.prediction_log import PredictionLog

LOCK_FILE = "shipper.lock"
FIRST_WAIT_SECONDS = 0.5


class Shipper:
    """The shipper of one process.

    Args:
        folder: of the outbox.
        open_log: opens the log; called by the thread, again after each failure.
        batch_rows: rows in one transaction, 1 or more.
        poll_seconds: how often it looks for new rows, or whether it may take over.
        max_wait_seconds: longest time between two attempts while the database is away; the first is half a second, and
            each further one twice the one before.
    """

    def __init__(
        self,
        folder: Path,
        open_log: Callable[[], PredictionLog],
        *,
        batch_rows: int = 1_000,
        poll_seconds: float = 0.5,
        max_wait_seconds: float = 30.0,
    ) -> None:
        self._folder = folder
        self._open_log = open_log
        self._batch_rows = batch_rows
        self._poll_seconds = poll_seconds
        self._max_wait_seconds = max_wait_seconds
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._lock: IO[bytes] | None = None
        self._log: PredictionLog | None = None
        self._shipped: dict[str, Shipped] = {}
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why nothing can be shipped at present; None if all is well, or another process ships."""
        return self._problem

    @property
    def is_active(self) -> bool:
        """Whether this process is the one that ships."""
        return self._lock is not None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="prediction-shipper", daemon=True)
        self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Wait until all that lies in the outbox now is in the database, whichever process ships it.

        Args:
            timeout: how long to wait, in seconds.

        Returns:
            Whether it is; refused rows, which were set aside, count as done.
        """
        deadline = time.monotonic() + timeout
        awaited = sizes(self._folder)
        self._wake.set()
        while True:
            shipped = read_shipped(self._folder)
            awaited = {
                path: size
                for path, size in awaited.items()
                if shipped.get(path.name, Shipped()).size < size and path.exists()
            }
            left = deadline - time.monotonic()
            if not awaited or left <= 0:
                return not awaited
            time.sleep(min(0.02, left))

    def close(self, timeout: float) -> bool:
        """End the thread after a last attempt, so that another process can take over.

        Returns:
            Whether it has ended; it is given up after ``timeout`` seconds, and then ends with the process.
        """
        self._closing = True
        self._wake.set()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        last = False
        while not last:
            last = self._closing
            self._wake.clear()
            try:
                if self._may_ship():
                    self._ship()
                failures, wait = 0, self._poll_seconds
                self._recovered()
            # Whatever it is, the thread has to live: what it could not do now it may do later.
            except Exception as error:
                wait = min(self._max_wait_seconds, FIRST_WAIT_SECONDS * 2 ** min(failures, 30))
                failures += 1
                self._failed(error)
            if not last:
                self._wake.wait(wait)
        self._close_log()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _may_ship(self) -> bool:
        """Whether this process ships; it becomes the one that does if no other is."""
        if self._lock is None:
            lock = (self._folder / LOCK_FILE).open("wb")
            if not _take(lock):
                lock.close()
                return False
            self._shipped = read_shipped(self._folder)
            self._lock = lock
        return True

    def _ship(self) -> None:
        for path in journals(self._folder):
            self._ship_journal(path)
        left = {path.name for path in journals(self._folder)}
        if not left.issuperset(self._shipped):
            self._note({name: shipped for name, shipped in self._shipped.items() if name in left})

    def _ship_journal(self, path: Path) -> None:
        with path.open("rb") as file:
            # Taken before it is read: nothing is added to it from now on.
            is_left = _take(file)
            shipped = self._shipped.get(path.name, Shipped())
            file.seek(shipped.size)
            while lines := read_whole_lines(file, self._batch_rows):
                self._store(lines)
                shipped = Shipped(shipped.size + sum(map(len, lines)), shipped.rows + len(lines))
                file.seek(shipped.size)
                self._note(self._shipped | {path.name: shipped})
            if is_left:
                path.unlink()

    def _store(self, lines: Sequence[bytes]) -> None:
        predictions, refused = [], []
        for line in lines:
            try:
                predictions.append(decode_line(line))
            except ValueError as error:
                refused.append((line.decode(errors="replace"), str(error)))
        if predictions:
            if self._log is None:
                self._log = self._open_log()
            refusals = self._log.write(predictions)
            refused += [(refusal.prediction.to_json(), refusal.reason) for refusal in refusals]
        if refused:
            self._set_aside(refused)

    def _set_aside(self, refused: Sequence[tuple[str, str]]) -> None:
        """Keep what the database does not take, with the reason, so that it holds up nothing else."""
        path = self._folder / REFUSED_FILE
        lines = (json.dumps({"reason": reason, "record": record}) + "\n" for record, reason in refused)
        with path.open("a") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        logging.getLogger(__name__).error(
            "%d predictions cannot be logged and were set aside in %s; the first because: %s",
            len(refused),
            path,
            refused[0][1],
        )

    def _note(self, shipped: dict[str, Shipped]) -> None:
        self._shipped = shipped
        try:
            write_shipped(self._folder, shipped)
        except OSError as error:
            # Shipping goes on, which makes room on a full disk; the note is for others, and for the next start.
            logging.getLogger(__name__).warning("%s: cannot note what is shipped (%s)", self._folder, error.strerror)

    def _failed(self, error: Exception) -> None:
        self._close_log()
        problem = str(error) or type(error).__name__
        if self._problem is None:
            logging.getLogger(__name__).warning("predictions wait in %s: %s", self._folder, problem)
        self._problem = problem

    def _recovered(self) -> None:
        if self._problem is not None:
            self._problem = None
            logging.getLogger(__name__).warning("predictions are logged again")

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def _take(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; False if somebody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
