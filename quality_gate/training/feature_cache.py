"""Features that were computed once, kept on disk: a photo that was seen before costs nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

LIMIT_BYTES = 8 * 2**30
_KEYS_A_QUERY = 500


class FeatureCache:
    """Bytes by key in one SQLite file, safe for several processes; whatever ails the file, the work goes on without.

    Args:
        path: the file; it is made when something is put into it.
        limit_bytes: size from which nothing more is added, and that all caches of the folder share: those that were
            used longest ago are removed first.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = path
        self._limit = limit_bytes

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is kept under some keys; those it does not have are left out."""
        found: dict[str, bytes] = {}
        if not self._path.is_file():
            return found
        with contextlib.suppress(sqlite3.Error), self._open() as connection:
            for start in range(0, len(keys), _KEYS_A_QUERY):
                some = keys[start : start + _KEYS_A_QUERY]
                marks = ",".join("?" * len(some))
                found |= connection.execute(f"SELECT key, value FROM features WHERE key IN ({marks})", some)  # noqa: S608
            self._path.touch()
        return found

    def put(self, values: Mapping[str, bytes]) -> None:
        """Keep values, in one transaction; a full disk or a damaged file keeps nothing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.is_file():
            self._make_room()
        elif self._path.stat().st_size > self._limit:
            return
        try:
            self._write(values)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname == "SQLITE_NOTADB":
                self._path.unlink(missing_ok=True)

    def _write(self, values: Mapping[str, bytes]) -> None:
        with self._open() as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
            connection.executemany("INSERT OR IGNORE INTO features VALUES (?, ?)", values.items())

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30)
        try:
            # Losing the last writes in a power cut only means that they are computed again.
            connection.execute("PRAGMA synchronous=OFF")
            yield connection
        finally:
            connection.close()

    def _make_room(self) -> None:
        files = sorted(self._path.parent.glob("*.sqlite"), key=lambda file: file.stat().st_mtime)
        size = sum(file.stat().st_size for file in files)
        for file in files:
            if size <= self._limit:
                break
            size -= file.stat().st_size
            file.unlink(missing_ok=True)
