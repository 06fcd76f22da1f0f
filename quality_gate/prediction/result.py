"""The result of a batch as files: one row a photo, and the list of what could not be used."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality_gate.disk_space import explain_full_disk
from quality_gate.prediction.record import Record, Recorded

if TYPE_CHECKING:
    import pyarrow as pa

CSV_FILE, PARQUET_FILE, QUARANTINE_FILE = "result.csv", "result.parquet", "quarantine.csv"

_ROWS = 1_000


def write_results(record: Record, classes: Sequence[str], model_version: str, folder: Path) -> None:
    """Write ``result.csv``, ``result.parquet`` and ``quarantine.csv``; a few thousand rows are in memory at a time.

    Args:
        record: of the run.
        classes: labels in the order of the columns.
        model_version: of the model that answered.
        folder: where the files are to lie; they appear there whole.

    Raises:
        UserError: the disk is full.
    """
    with explain_full_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write_quarantine(record, folder / QUARANTINE_FILE)
        _write_rows(record, classes, model_version, folder)


def _write_quarantine(record: Record, path: Path) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "reason", "image_sha256"])
        writer.writerows([bad.path, bad.problem, bad.image_sha256] for bad in record.bad())
    partial.replace(path)


def _write_rows(record: Record, classes: Sequence[str], model_version: str, folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(classes)
    table, columns = folder / f"{CSV_FILE}.partial", folder / f"{PARQUET_FILE}.partial"
    rows = (_row(recorded, classes, model_version) for recorded in record.current())
    with table.open("w", newline="", encoding="utf-8") as file, pq.ParquetWriter(columns, schema) as parquet:
        writer = csv.writer(file)
        writer.writerow(schema.names)
        while chunk := list(islice(rows, _ROWS)):
            parquet.write_batch(pa.RecordBatch.from_pylist(chunk, schema=schema))
            writer.writerows(_as_text(chunk, schema.names))
    table.replace(folder / CSV_FILE)
    columns.replace(folder / PARQUET_FILE)


def _schema(classes: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            ("label", pa.string()),
            ("confidence", pa.float64()),
            ("decision", pa.string()),
            *((_column(label), pa.float64()) for label in classes),
            pa.field("model_version", pa.string(), nullable=False),
            ("time", pa.timestamp("us", tz="UTC")),
            ("image_sha256", pa.string()),
            pa.field("problem", pa.string(), nullable=False),
        ]
    )


def _column(label: str) -> str:
    return f"probability_{label}"


def _row(recorded: Recorded, classes: Sequence[str], model_version: str) -> dict[str, Any]:
    given = recorded.prediction
    row: dict[str, Any] = {
        "path": recorded.path,
        "model_version": model_version,
        "image_sha256": recorded.image_sha256 or None,
        "problem": recorded.problem,
    }
    if given is None:
        return row
    probabilities = {_column(label): given.probabilities[label] for label in classes}
    answer = {"label": given.label, "confidence": given.confidence, "decision": given.decision, "time": given.time}
    return row | answer | probabilities


def _as_text(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Iterable[list[Any]]:
    for row in rows:
        time = row.get("time")
        shown = row | {"time": time.isoformat() if time else None}
        yield [shown.get(column) for column in columns]
