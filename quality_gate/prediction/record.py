"""The durable record of a batch: what came of each file, kept until long after the run.

A SQLite file for each source and model beside the results. What is in it is answered: a run that was killed goes on
behind it, and a later run over the same photos takes their answers from it. ``current`` marks what belongs to the run
that is not over: what it, or the killed runs that it continues, met.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from quality_gate.disk_space import explain_full_disk
from quality_gate.errors import UserError
from quality_gate.monitoring.prediction import Prediction
from quality_gate.prediction.answering import Outcome

FORMAT_VERSION = 1

_TABLE = """
CREATE TABLE outcomes (
    id BLOB PRIMARY KEY,
    path TEXT NOT NULL,
    image_sha256 TEXT NOT NULL,
    problem TEXT NOT NULL,
    label TEXT,
    confidence REAL,
    decision TEXT,
    prediction TEXT,
    logged INTEGER NOT NULL,
    current INTEGER NOT NULL
) WITHOUT ROWID
"""
_INDICES = (
    "CREATE INDEX by_path ON outcomes (path)",
    "CREATE INDEX waiting ON outcomes (id) WHERE logged = 0",
    "CREATE INDEX of_this_run ON outcomes (path) WHERE current = 1",
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record holds of a file; ``prediction`` is None where it is no usable photo."""

    path: str
    image_sha256: str
    problem: str
    prediction: Prediction | None


def record_path(folder: Path, source: str, model_version: str) -> Path:
    """Where the record of a source and a model lies, in the folder of all batches of a gate."""
    digest = hashlib.sha256(json.dumps([source, model_version]).encode()).hexdigest()
    return folder / f"record-{digest[:16]}.db"


class Record:
    """An open record; safe for several threads.

    Args:
        path: of its file; made with its folder where it is not there.

    Raises:
        UserError: the disk is full, or the file is no record that this version reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with explain_full_disk(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            with self._explained():
                # An answer that is recorded survives the loss of power.
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=FULL")
                self._make_table()
        except BaseException:
            self._connection.close()
            raise

    def given(self, path: str) -> set[UUID]:
        """Ids of the answers that were given for a path."""
        with self._lock:
            rows = self._connection.execute("SELECT id FROM outcomes WHERE path = ? AND problem = ''", (path,))
            return {UUID(bytes=row[0]) for row in rows}

    def keep(self, outcomes: Sequence[Outcome]) -> int:
        """Record what came of files; durable when this returns.

        What was said before of a file that could not be used holds until it is met again.

        Returns:
            How many of them were answered anew.
        """
        with self._transaction():
            return sum(map(self._keep, outcomes))

    def waiting(self, most: int) -> list[Prediction]:
        """Answers that are not known to be in the prediction log, at most so many."""
        with self._lock:
            query = "SELECT prediction FROM outcomes WHERE logged = 0 LIMIT ?"
            return [Prediction.from_json(row[0]) for row in self._connection.execute(query, (most,))]

    def note_logged(self, predictions: Sequence[Prediction]) -> None:
        """Note that answers are in the prediction log."""
        with self._transaction():
            ids = [(prediction.id.bytes,) for prediction in predictions]
            self._connection.executemany("UPDATE outcomes SET logged = 1 WHERE id = ?", ids)

    def current(self) -> Iterator[Recorded]:
        """What this run met, by path."""
        return self._recorded("")

    def bad(self) -> Iterator[Recorded]:
        """Files of this run that could not be used, by path."""
        return self._recorded("AND problem <> ''")

    def to_review(self) -> Iterator[Recorded]:
        """Photos of this run that go to review, by path."""
        return self._recorded("AND decision = 'review'")

    def counts(self) -> dict[tuple[str, str], int]:
        """Photos of this run by label and decision; both are '' for those that could not be used."""
        query = (
            "SELECT coalesce(label, ''), coalesce(decision, ''), count(*) FROM outcomes WHERE current = 1 GROUP BY 1, 2"
        )
        return {(label, decision): count for label, decision, count in self._rows(query)}

    def histogram(self, bins: int) -> dict[tuple[str, int], int]:
        """Answers of this run by decision and bin of the confidence, 0 to ``bins`` − 1."""
        query = """
            SELECT decision, min(CAST(confidence * ? AS INTEGER), ? - 1), count(*)
            FROM outcomes WHERE current = 1 AND problem = '' GROUP BY 1, 2
        """
        return {(decision, number): count for decision, number, count in self._rows(query, bins, bins)}

    def finish(self) -> None:
        """End the run: what it met is told, and is no longer current."""
        with self._transaction():
            self._connection.execute("UPDATE outcomes SET current = 0 WHERE current = 1")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_table(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, FORMAT_VERSION):
            raise UserError(f"{self.path} was written by a newer version of the product; use that, or move it away.")
        if version == 0:
            with self._transaction():
                for statement in (_TABLE, *_INDICES, f"PRAGMA user_version = {FORMAT_VERSION}"):
                    self._connection.execute(statement)

    def _keep(self, outcome: Outcome) -> bool:
        path, key, prediction = outcome.path, outcome.id.bytes, outcome.prediction
        self._connection.execute("DELETE FROM outcomes WHERE path = ? AND problem <> ''", (path,))
        if prediction is None and not outcome.problem:
            self._connection.execute("UPDATE outcomes SET current = 1 WHERE id = ?", (key,))
            return False
        answer = (
            (prediction.label, prediction.confidence, prediction.decision, prediction.to_json())
            if prediction
            else (None, None, None, None)
        )
        row = (key, path, outcome.image_sha256, outcome.problem, *answer, prediction is None, True)
        self._connection.execute("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return prediction is not None

    def _recorded(self, narrower: str) -> Iterator[Recorded]:
        columns = "path, image_sha256, problem, prediction"
        query = f"SELECT {columns} FROM outcomes WHERE current = 1 {narrower} ORDER BY path, id"  # noqa: S608 - of this file
        for path, image_sha256, problem, prediction in self._rows(query):
            yield Recorded(path, image_sha256, problem, Prediction.from_json(prediction) if prediction else None)

    def _rows(self, query: str, *values: object) -> Iterator[Any]:
        with closing(self._connection.execute(query, values)) as cursor:
            yield from cursor

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with explain_full_disk(self.path.parent):
            try:
                yield
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
                raise UserError(
                    f"{self.path} cannot be used ({error}); restore it from a copy, or move it away."
                ) from None
