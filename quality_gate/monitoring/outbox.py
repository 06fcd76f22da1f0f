"""The durable local outbox: an answer is given only after its record is on this machine's disk.

:class:`Outbox` is a folder of journals. Every process appends to journals of its own, so that no process waits for
another, or for one that hangs; the shipper (:mod:`quality_gate.monitoring.shipper`) reads them all. Only the standard
library is imported.

    outbox = Outbox(folder)
    outbox.append([prediction])        # returns when it is durable, else raises OutboxUnavailable
    outbox.backlog()                   # how many rows wait, and the age of the oldest

A journal is a text file of one line a prediction, ``CRC-32 JSON``. Its process holds a lock on it while it writes, that
the system takes from a process that ends in any way; from then on nobody writes to it. A last line without an end was
never acknowledged.

The folder has to lie on a disk of this machine, and an outbox is opened in the process that uses it, not before a fork.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from quality_gate.monitoring.journal import JOURNAL, Backlog, BacklogCounter, encode_line, waiting_bytes
from quality_gate.monitoring.prediction import Prediction

Durability = Literal["power_loss", "process_kill"]

DEFAULT_MAX_BYTES = 2**30
JOURNAL_BYTES = 4 * 2**20


class OutboxUnavailable(Exception):
    """A record cannot be kept now; nothing of what was appended may be taken for logged."""


class OutboxFull(OutboxUnavailable):
    """So much waits for the database that the limit of the outbox is reached."""


@dataclass(eq=False, slots=True)
class _Append:
    """What one caller appends; done when it is on the disk, or failed."""

    lines: bytes
    done: bool = False
    error: OutboxUnavailable | None = None


@dataclass(slots=True)
class _Journal:
    """An open journal of this process; ``size`` is what of it is acknowledged, in bytes."""

    descriptor: int
    size: int = 0


class Outbox:
    """The outbox in a folder; safe for many threads, and many processes each with one of their own.

    Args:
        folder: where the journals lie; made if it does not exist.
        durability: what a record survives: ``power_loss`` waits for the disk at every append, ``process_kill`` hands it
            to the operating system, which keeps it when the process is killed but not when the machine stops.
        max_bytes: how much may wait for the database. It is looked at whenever a journal is begun, so that each
            process can exceed it by one journal: 4 MiB, or a sixteenth of the limit if that is less.

    Raises:
        OutboxUnavailable: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, *, durability: Durability = "power_loss", max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        self.folder = folder
        self._durability = durability
        self._max_bytes = max_bytes
        self._journal_bytes = min(JOURNAL_BYTES, max_bytes // 16)
        self._condition = threading.Condition()
        self._waiting: list[_Append] = []
        self._writing = False
        self._closed = False
        self._journal: _Journal | None = None
        self._counter = BacklogCounter(folder)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutboxUnavailable(f"{folder}: the outbox cannot be made there ({error.strerror})") from error

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Keep predictions; they are durable when this returns.

        What several threads append at the same time goes to the disk together: one of them writes, the others wait.

        Raises:
            OutboxFull: the limit is reached.
            OutboxUnavailable: the disk is full or fails, or the outbox is closed.
        """
        if not predictions:
            return
        mine = _Append(b"".join(encode_line(prediction.to_json()) for prediction in predictions))
        with self._condition:
            self._waiting.append(mine)
            while self._writing and not mine.done:
                self._condition.wait()
            if not mine.done:
                self._writing = True
                together, self._waiting = self._waiting, []
        if not mine.done:
            self._write_for(together)
        if mine.error is not None:
            # A new one for each caller: one error raised by many threads would collect the tracebacks of all.
            raise type(mine.error)(*mine.error.args) from mine.error

    def backlog(self) -> Backlog:
        """What waits for the database, of all processes."""
        return self._counter.backlog()

    def close(self) -> None:
        """Let go of this process's journal; what it holds is shipped by whoever ships."""
        with self._condition:
            while self._writing:
                self._condition.wait()
            self._closed = True
            self._let_go()

    def _write_for(self, together: list[_Append]) -> None:
        error: OutboxUnavailable | None = OutboxUnavailable(f"{self.folder}: the outbox was interrupted")
        try:
            self._write(b"".join(append.lines for append in together))
            error = None
        except OutboxUnavailable as reason:
            error = reason
        except OSError as reason:
            error = OutboxUnavailable(f"{self.folder}: the outbox cannot be written ({reason.strerror})")
            error.__cause__ = reason
        finally:
            with self._condition:
                self._writing = False
                for append in together:
                    append.done, append.error = True, error
                self._condition.notify_all()

    def _write(self, lines: bytes) -> None:
        if self._closed:
            raise OutboxUnavailable(f"{self.folder}: the outbox is closed")
        if self._journal is not None and self._journal.size >= self._journal_bytes:
            self._let_go()
        journal = self._journal = self._journal or self._begin_journal()
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(journal.descriptor, rest) :]
            if self._durability == "power_loss":
                os.fdatasync(journal.descriptor)
        except BaseException:
            self._abandon(journal)
            raise
        journal.size += len(lines)

    def _begin_journal(self) -> _Journal:
        waiting = waiting_bytes(self.folder)
        if waiting >= self._max_bytes:
            raise OutboxFull(
                f"{self.folder}: {waiting:,} bytes wait for the database, and the limit is {self._max_bytes:,}; "
                "see why the database does not take them, or raise the limit."
            )
        # Locked before it gets the name by which it is found: a journal without a lock is taken for one left behind.
        name = f"{time.time_ns():020d}-{uuid4().hex}"
        begun = self.folder / f"{name}.begun"
        descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            begun.rename(self.folder / f"{name}{JOURNAL}")
            if self._durability == "power_loss":
                _sync_folder(self.folder)
        except BaseException:
            os.close(descriptor)
            begun.unlink(missing_ok=True)
            raise
        return _Journal(descriptor)

    def _abandon(self, journal: _Journal) -> None:
        """Go on in a new journal after a failure: what the disk made of this one's end is not certain.

        What was not acknowledged is cut off if possible, so that it is not logged as if it had been answered.
        """
        try:
            os.ftruncate(journal.descriptor, journal.size)
        except OSError:
            pass
        finally:
            self._let_go()

    def _let_go(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            os.close(journal.descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
