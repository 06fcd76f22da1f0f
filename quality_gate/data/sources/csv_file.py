"""A CSV file that names photos and their labels."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.data.sources.class_folders import Tree
from quality_gate.data.sources.local import LocalTree
from quality_gate.data.sources.photo_file import PhotoFile
from quality_gate.data.sources.remote import RemoteTree, is_url, read_remote
from quality_gate.errors import UserError

if TYPE_CHECKING:
    from quality_gate.data_settings import CsvSettings

_SEPARATORS = {",": "','", ";": "';'", "\t": '"\\t" (tab)', "|": "'|'"}
_MARKS_OF_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class _Row:
    """A line of the file; ``path`` is relative to the folder of the photos."""

    line: int
    path: str
    label: str
    split: str


def csv_photos(place: str, settings: "CsvSettings", *, drop_missing: bool) -> tuple[list[PhotoFile], list[PhotoFile]]:
    """The photos that a CSV file names.

    Args:
        place: path or URL of the file.
        settings: its columns, and where the photos are.
        drop_missing: whether rows of files that do not exist are left out instead of refused.

    Returns:
        The files that are offered, and those that are left out.

    Raises:
        UserError: the file cannot be read as the settings say, or a row is incomplete, ambiguous, or of no file.
    """
    text = _decode(place, _read(place), settings)
    tree = _tree(place, settings)
    rows = list(_rows(place, text, settings, tree))
    if not rows:
        raise UserError(f"{place} has a header and no rows; expected a row for each photo.")
    _check_unique(place, rows)
    _check_splits(place, rows, settings)
    offered, missing = [], []
    for row in rows:
        entry = tree.find(row.path)
        if entry is None:
            missing.append((row, PhotoFile(row.path, row.label, row.split, f"no such file, line {row.line}")))
        else:
            offered.append(PhotoFile(entry.path, row.label, row.split, entry.problem, entry.origin))
    if missing and (not offered or not drop_missing):
        raise UserError(_missing(place, tree, len(rows), [row for row, _ in missing]))
    return offered, [file for _, file in missing]


def _read(place: str) -> bytes:
    if is_url(place):
        return read_remote(place)
    try:
        return Path(place).read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{place} does not exist; expected a CSV file with a row for each photo: put it there, or name yours in "
            "data.source."
        ) from None
    except OSError as error:
        raise UserError(f"{place} cannot be read ({error.strerror or error}); allow reading it.") from None


def _decode(place: str, data: bytes, settings: "CsvSettings") -> str:
    encoding = settings.encoding
    # Spreadsheets put a mark before UTF-8, which would become part of the first column's name.
    mark = data.startswith(b"\xef\xbb\xbf")
    try:
        text = data[3 * mark :].decode(encoding)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = data.count(b"\n", 0, start) + 1
        raise UserError(
            f"{place} is not {encoding}: byte 0x{data[start]:02x} in line {line}; name its encoding in "
            f"data.csv.encoding, perhaps {_likely_encoding(data)}."
        ) from None
    if not text.strip():
        raise UserError(f"{place} is empty; expected a header and a row for each photo.")
    return text


def _likely_encoding(data: bytes) -> str:
    if data.startswith(_MARKS_OF_UTF16):
        return "utf-16"
    try:
        data.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _tree(place: str, settings: "CsvSettings") -> Tree:
    if settings.images is not None and is_url(settings.images):
        return RemoteTree(settings.images)
    if settings.images is None and is_url(place):
        return RemoteTree(place.rpartition("/")[0])
    root = Path(place).parent if settings.images is None else Path(settings.images).expanduser()
    if not root.is_dir():
        raise UserError(
            f"data.csv.images: {root} is no folder; expected the one that the paths in {place} start from: put the "
            "photos there, or name theirs."
        )
    return LocalTree(root)


def _rows(place: str, text: str, settings: "CsvSettings", tree: Tree) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=settings.separator, strict=True, skipinitialspace=True)
    try:
        header = [name.strip() for name in next(cells for cells in reader if cells)]
        columns = _columns(place, header, settings)
        for cells in reader:
            if cells:
                _check_length(place, reader.line_num, cells, header, settings)
                yield _row(place, reader.line_num, [cells[column] for column in columns], settings, tree)
    except csv.Error as error:
        raise UserError(f"{place}: line {reader.line_num} is no CSV ({error}); correct its quotes.") from None


def _columns(place: str, header: list[str], settings: "CsvSettings") -> list[int]:
    """Where the columns of file, label and, if there is one, split are."""
    wanted = {"file_column": settings.file_column, "label_column": settings.label_column}
    if settings.split_column is not None:
        wanted["split_column"] = settings.split_column
    for key, name in wanted.items():
        if header.count(name) > 1:
            raise UserError(f"{place} has {header.count(name)} columns '{name}'; rename all but one.")
        if name not in header:
            other = next((mark for mark in _SEPARATORS if len(header) == 1 and mark in header[0]), None)
            if other is not None:
                raise UserError(
                    f"{place}: its header {header[0]!r} is one column when parted at {_quoted(settings.separator)}; "
                    f"set data.csv.separator to {_SEPARATORS[other]}."
                )
            raise UserError(
                f"{place} has no column '{name}'; name one of its columns in data.csv.{key}: {', '.join(header)}."
            )
    return [header.index(name) for name in wanted.values()]


def _quoted(separator: str) -> str:
    return _SEPARATORS.get(separator, f"'{separator}'")


def _check_length(place: str, line: int, cells: list[str], header: list[str], settings: "CsvSettings") -> None:
    if len(cells) != len(header):
        raise UserError(
            f"{place}: line {line} has {len(cells)} fields and the header {len(header)}; put quotes around fields that "
            f"contain {_quoted(settings.separator)}."
        )


def _row(place: str, line: int, cells: list[str], settings: "CsvSettings", tree: Tree) -> _Row:
    file, label, *given = cells
    for name, cell in ((settings.file_column, file), (settings.label_column, label)):
        if not cell.strip():
            raise UserError(f"{place}: line {line} has nothing in the column '{name}'; fill it in or remove the line.")
    split = given[0].strip() if given else ""
    if split not in ("", "train", "test"):
        raise UserError(
            f"{place}: line {line} has '{split}' in the column '{settings.split_column}'; expected train or test "
            "(photos for validation and calibration are taken from train)."
        )
    path = tree.relative(file + settings.suffix)
    if path is None:
        raise UserError(
            f"{place}: line {line} names '{file}', which lies outside {tree.place('')}; name a folder above all photos "
            "in data.csv.images."
        )
    return _Row(line, path, label, split)


def _check_unique(place: str, rows: list[_Row]) -> None:
    seen: dict[str, _Row] = {}
    for row in rows:
        first = seen.setdefault(row.path, row)
        if first is row:
            continue
        lines = f"{place}: lines {first.line} and {row.line} both name {row.path}"
        if first.label != row.label:
            raise UserError(f"{lines}, with the labels '{first.label}' and '{row.label}'; remove the wrong one.")
        if first.split != row.split:
            raise UserError(f"{lines}, for {first.split or 'no split'} and {row.split or 'no split'}; remove one.")
        raise UserError(f"{lines}, with the same label; remove one.")


def _check_splits(place: str, rows: list[_Row], settings: "CsvSettings") -> None:
    without = next((row for row in rows if not row.split), None)
    if without is not None and any(row.split for row in rows):
        raise UserError(
            f"{place}: line {without.line} has nothing in the column '{settings.split_column}' and other lines have; "
            "write train or test into every line, or into none."
        )


def _missing(place: str, tree: Tree, rows: int, missing: list[_Row]) -> str:
    first = f"{tree.place(missing[0].path)} (line {missing[0].line})"
    if len(missing) == rows:
        return (
            f"{place}: none of its {rows:,} files exists, the first is {first}; set data.csv.images to the folder of "
            "the photos, and data.csv.suffix to what their names end with, such as .jpg."
        )
    return (
        f"{place}: {len(missing):,} of its {rows:,} files do not exist, the first is {first}; add them, or set "
        "data.missing to drop to leave their rows out."
    )
