"""The journals of an outbox as they lie on the disk: their lines, what of them was shipped, and what waits.

Three kinds of files lie in the folder of an outbox: the journals; ``shipped.json``, which says how much of each is in
the database (it may lag behind: what is shipped twice is kept once); ``refused.jsonl``, the records that the database
does not take, with its reasons. Only the standard library is imported.
"""

from __future__ import annotations

import json
import threading
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import IO

from quality_gate.monitoring.prediction import Prediction

JOURNAL = ".journal"
SHIPPED_FILE = "shipped.json"
REFUSED_FILE = "refused.jsonl"


@dataclass(frozen=True, slots=True)
class Backlog:
    """What an outbox holds.

    Attributes:
        rows: that wait for the database.
        oldest_seconds: age of the oldest of them; 0 if none waits.
        refused: rows that the database did not take, set aside in ``refused.jsonl``.
    """

    rows: int
    oldest_seconds: float
    refused: int


@dataclass(frozen=True, slots=True)
class Shipped:
    """How much of a journal is in the database, from its beginning."""

    size: int = 0
    rows: int = 0


def journals(folder: Path) -> list[Path]:
    """The journals of an outbox, the one begun first in front."""
    return sorted(folder.glob(f"*{JOURNAL}"))


def sizes(folder: Path) -> dict[Path, int]:
    """The journals of an outbox with their sizes, in bytes; 0 for one that vanished meanwhile."""
    return {path: _size(path) for path in journals(folder)}


def waiting_bytes(folder: Path) -> int:
    """Bytes of an outbox that are not in the database, with those of the refused records."""
    shipped = read_shipped(folder)
    waiting = (size - shipped.get(path.name, Shipped()).size for path, size in sizes(folder).items())
    return sum(max(0, size) for size in waiting) + _size(folder / REFUSED_FILE)


def encode_line(record: str) -> bytes:
    """A record as a line of a journal."""
    content = record.encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


def decode_line(line: bytes) -> Prediction:
    """The prediction that a whole line of a journal holds.

    Raises:
        ValueError: the line is not what was written, or holds no prediction.
    """
    checksum, _, content = line.removesuffix(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(content):
        raise ValueError("damaged: the checksum does not fit")
    return Prediction.from_json(content)


def read_whole_lines(file: IO[bytes], most: int) -> list[bytes]:
    """The next lines of a journal, up to ``most`` or the first without an end: that one is still being written.

    Nothing behind it is looked at: its end may be written meanwhile, and would be taken for a line of its own.
    """
    return list(takewhile(lambda line: line.endswith(b"\n"), islice(file, most)))


def read_shipped(folder: Path) -> dict[str, Shipped]:
    """What is known to be shipped, by name of the journal."""
    try:
        return {name: Shipped(*counts) for name, counts in json.loads((folder / SHIPPED_FILE).read_bytes()).items()}
    except (OSError, ValueError):
        # Nothing was shipped yet, or the machine stopped before the file was on the disk: all is shipped again.
        return {}


def write_shipped(folder: Path, shipped: dict[str, Shipped]) -> None:
    """Note what is shipped; of a process that is killed meanwhile the former note stays."""
    path = folder / SHIPPED_FILE
    new = path.with_suffix(".new")
    new.write_text(json.dumps({name: (one.size, one.rows) for name, one in shipped.items()}))
    new.replace(path)


class BacklogCounter:
    """Counts what waits in an outbox; of files that grew since the last time only the growth is read.

    Args:
        folder: of the outbox.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._counted: dict[Path, Shipped] = {}

    def backlog(self) -> Backlog:
        """What the outbox holds at this moment."""
        with self._lock:
            shipped = read_shipped(self._folder)
            found = journals(self._folder)
            refused = self._folder / REFUSED_FILE
            self._counted = {path: self._count(path) for path in [*found, refused]}
            rows, oldest = 0, datetime.now(UTC)
            for path in found:
                done = shipped.get(path.name, Shipped())
                waiting = max(0, self._counted[path].rows - done.rows)
                if waiting:
                    rows += waiting
                    oldest = min(oldest, _first_time(path, done.size) or oldest)
            age = (datetime.now(UTC) - oldest).total_seconds() if rows else 0.0
            return Backlog(rows, max(0.0, age), self._counted[refused].rows)

    def _count(self, path: Path) -> Shipped:
        counted = self._counted.get(path, Shipped())
        if _size(path) < counted.size:
            counted = Shipped()
        size, rows = counted.size, counted.rows
        try:
            with path.open("rb") as file:
                file.seek(size)
                while block := file.read(2**20):
                    size, rows = size + len(block), rows + block.count(b"\n")
        except FileNotFoundError:
            # All of it was shipped meanwhile.
            return Shipped()
        return Shipped(size, rows)


def _first_time(path: Path, offset: int) -> datetime | None:
    """When the first prediction behind ``offset`` bytes was made; None if that cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return decode_line(file.readline()).time
    except (FileNotFoundError, ValueError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
