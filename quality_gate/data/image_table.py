"""The image table: one row a file of the source, with what is known of it; its columns are documented here alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quality_gate.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# So many rows are at most in memory as Python values, which take five times as much as the columns of a table.
CHUNK_ROWS = 1024

Kind = Literal["str", "float64", "bool"]

SPLITS: tuple[str, ...] = ("train", "validation", "calibration", "test")
# The second test set, of reviewed photos of the operation.
ROLLING_TEST = "rolling_test"
# Those a model learns from; certificate and test rest on the others.
LEARNING_SPLITS: tuple[str, ...] = ("train", "validation")


@dataclass(frozen=True)
class Column:
    """One column of the image table.

    Attributes:
        name: its name.
        dtype: its pandas dtype.
        meaning: what it says, with unit and range.
        minimum: smallest value of a readable photo; None where the column is no number.
        maximum: largest value of a readable photo; None where it is unbounded or no number.
    """

    name: str
    dtype: Kind
    meaning: str
    minimum: float | None = None
    maximum: float | None = None


# Rows of unreadable files have NaN in every number and '' in every text but path, label, split and problem.
COLUMNS: tuple[Column, ...] = (
    Column("image_id", "str", "SHA-256 of the file's bytes, 64 hex digits"),
    Column("path", "str", "place of the file, relative to the source, with '/' between folders; unique"),
    Column("label", "str", "name of its class folder; '' for a photo outside any"),
    Column("split", "str", "before the split 'train' or 'test' as the source says, '' where it says nothing, "
           "'reviewed' for photos of the operation; after it train, validation, calibration, test or rolling_test, '' "
           "for what was left out"),
    Column("group", "str", "photos of one group are near-duplicates and never parted; 16 hex digits, '' before the "
           "split and for unreadable files"),
    Column("width", "float64", "pixels, upright (after the EXIF orientation)", 1),
    Column("height", "float64", "pixels, upright", 1),
    Column("mode", "str", "Pillow's colour mode of the file: RGB, L, P, RGBA, CMYK, …"),
    Column("format", "str", "Pillow's name of the file's format: JPEG, PNG, WEBP, BMP"),
    Column("file_size_kb", "float64", "size of the file in units of 1,024 bytes", 0),
    Column("aspect_ratio", "float64", "width / height", 0),
    Column("brightness", "float64", "mean luma (ITU-R 601), 0 is black, 1 is white", 0, 1),
    Column("contrast", "float64", "standard deviation of the luma", 0, 0.5),
    Column("red_mean", "float64", "mean of the red channel", 0, 1),
    Column("green_mean", "float64", "mean of the green channel", 0, 1),
    Column("blue_mean", "float64", "mean of the blue channel", 0, 1),
    Column("sharpness", "float64", "variance of the Laplacian of the luma in grey levels (0..255), measured on a "
           "thumbnail; blur and lack of texture lower it", 0),
    Column("phash", "str", "perceptual hash, 16 hex digits"),
    Column("is_readable", "bool", "whether the file can be used as a photo"),
    Column("problem", "str", "why it cannot; '' for readable photos"),
)  # fmt: skip

COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)


def build_table(rows: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
    """Make an image table of rows, sorted by path.

    Args:
        rows: values by column name, best in the order of the paths; what a row leaves out is NaN, '' or False.
    """
    import pandas as pd

    remaining = iter(rows)
    chunks = [_chunk([])]
    while chunk := list(islice(remaining, CHUNK_ROWS)):
        chunks.append(_chunk(chunk))
    table = pd.concat(chunks, ignore_index=True)
    return table if table["path"].is_monotonic_increasing else table.sort_values("path", ignore_index=True)


def write_table(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write an image table as Parquet, of which only a few rows are in memory at a time.

    Args:
        rows: values by column name, in the order of the paths; what a row leaves out is NaN, '' or False.
        path: the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"str": pa.string(), "float64": pa.float64(), "bool": pa.bool_()}
    schema = pa.schema([(column.name, kinds[column.dtype]) for column in COLUMNS])
    remaining = iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while chunk := list(islice(remaining, CHUNK_ROWS)):
            writer.write_table(pa.table(_values(chunk), schema=schema))


def _chunk(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    dtypes = {column.name: column.dtype for column in COLUMNS}
    return pd.DataFrame({name: pd.Series(values, dtype=dtypes[name]) for name, values in _values(rows).items()})


def _values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    blank: dict[Kind, Any] = {"str": "", "float64": float("nan"), "bool": False}
    return {column.name: [row.get(column.name, blank[column.dtype]) for row in rows] for column in COLUMNS}


def require_columns(table: "pd.DataFrame", origin: str) -> None:
    """Check that a table has the columns of an image table.

    Args:
        table: the table.
        origin: where it comes from, for the message.

    Raises:
        UserError: columns are missing.
    """
    missing = [name for name in COLUMN_NAMES if name not in table.columns]
    if missing:
        raise UserError(f"{origin}: the image table lacks the columns {', '.join(missing)}; ingest the photos again.")
