"""The ledger: one JSON line for every decision about a model, appended and never changed.

The ledger is the truth of which model is champion; the registry's alias and ZenML's stage mirror it. One line is one
append, flushed to the disk, so an interruption leaves either the whole decision or none of it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from quality_gate.errors import UserError

LEDGER_FILE = "ledger.jsonl"

Event = Literal["promoted", "refused", "rolled_back"]


@dataclass(frozen=True)
class LedgerEntry:
    """One decision.

    Attributes:
        event: ``promoted`` (the gate let it through), ``refused`` (the gate stopped it) or ``rolled_back`` (a person
            went back to this version).
        run: the pipeline run, or who rolled back.
        version: of the model in the registry; None for a refused one, which gets none.
        model: its architecture.
        model_uri: where its folder is kept.
        classes: labels it tells apart.
        metrics: figures on the test photos.
        routing: its certificate.
        digests: SHA-256 of ``data``, ``code``, ``settings``, ``weights``, ``onnx``, ``report``, and of all its
            ``answers`` depend on.
        gate: the gate's table.
        report: the report page on disk.
        time: when, UTC, ISO 8601.
        promotion: what the run called its promotion before it came to it; '' for a refused one.
    """

    event: Event
    run: str
    version: str | None
    model: str
    model_uri: str | None
    classes: list[str]
    metrics: dict[str, Any]
    routing: dict[str, Any]
    digests: dict[str, str]
    gate: dict[str, Any]
    report: str
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    promotion: str = ""

    @property
    def identity(self) -> str:
        """What no other promotion is called; by version where the ledger was written without names."""
        return self.promotion or f"version {self.version}"


class Ledger:
    """The ledger of one gate.

    Args:
        folder: where its file is kept; made at the first line.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER_FILE

    def entries(self) -> list[LedgerEntry]:
        """Every decision, oldest first.

        Raises:
            UserError: a line was changed by hand and cannot be read.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")
        # What follows the last line end is empty, or the rest of a write that was cut off and never counted.
        return [self._parse(number, line) for number, line in enumerate(lines[:-1], 1) if line]

    def append(self, entry: LedgerEntry) -> None:
        """Add a decision; it is on the disk when this returns."""
        with self._locked() as file:
            file.seek(0)
            content = file.read()
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)
            file.seek(whole)
            file.write(json.dumps(asdict(entry), sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def champions(self) -> list[LedgerEntry]:
        """The promoted models that are or may again be champion; the champion is the last.

        A promotion puts its model on top, a rollback takes away what stands above the version it names: that of another
        run, too, which was promoted while the rollback was at work.
        """
        stack: list[LedgerEntry] = []
        for entry in self.entries():
            if entry.event == "promoted":
                stack.append(entry)
            elif entry.event == "rolled_back":
                versions = [champion.version for champion in stack]
                if entry.version in versions:
                    del stack[versions.index(entry.version) + 1 :]
        return stack

    def champion(self) -> LedgerEntry | None:
        """The model in production; None before the first promotion."""
        return next(reversed(self.champions()), None)

    def last_gate(self) -> LedgerEntry | None:
        """The newest model the gate judged."""
        return next((entry for entry in reversed(self.entries()) if entry.event != "rolled_back"), None)

    def _parse(self, number: int, line: bytes) -> LedgerEntry:
        try:
            entry = LedgerEntry(**json.loads(line))
            if entry.event not in get_args(Event):
                raise ValueError(entry.event)
            return entry
        except (ValueError, TypeError):
            raise UserError(f"{self.path}: line {number} is no ledger entry; restore the file from a copy.") from None

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
