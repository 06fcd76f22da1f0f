"""Labels as a CSV file, for those who label elsewhere: what was reviewed and what waits, out and back in.

A file begins with a line of columns. ``image_sha256`` and ``label`` are needed to read one; ``verdict``, ``reviewer``
and ``time`` may be there; all others are for people. A row with neither label nor verdict says nothing.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from quality_gate.errors import UserError
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.photos import PhotoStore
from quality_gate.review.reading import Reviews
from quality_gate.review.spreadsheet import harmless, original
from quality_gate.review.verdict import Review

COLUMNS = (
    "image_sha256", "image_name", "photo", "model_label", "confidence", "reason",
    "label", "verdict", "reviewer", "time",
)  # fmt: skip
NEEDED = ("image_sha256", "label")

# Of the ids of imported labels; any will do that stays the same.
_NAMESPACE = UUID("0e4a0a43-5e53-4a0e-9a15-3a3b6f1f5c77")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Clocks of those who label elsewhere may be a little ahead.
_AHEAD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into a file.

    Attributes:
        rows: reviews, and photos that wait for one.
        gone: photos that are not in it, because nobody has reviewed them and their files are gone.
    """

    rows: int
    gone: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file.

    Attributes:
        new: labels that were added.
        known: rows that say what their reviewer had said last of the photo.
        empty: rows that say nothing.
    """

    new: int
    known: int
    empty: int


def export_labels(path: Path, reviews: Reviews, photos: PhotoStore) -> Exported:
    """Write a row for each review that stands, and one without a label for each photo that waits.

    A photo that nobody has reviewed and whose file is gone waits no longer.

    Args:
        path: of the file; replaced whole.
        reviews: of a gate.
        photos: where the kept photos are.

    Raises:
        UserError: the file cannot be written.
        LogUnavailable: the database does not answer.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            rows = gone = 0
            for row in _rows(reviews, photos):
                if row["verdict"] or row["photo"]:
                    writer.writerow(row)
                    rows += 1
                else:
                    gone += 1
        new.replace(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); name a file in a folder that is there."
        ) from None
    finally:
        new.unlink(missing_ok=True)
    return Exported(rows, gone)


def import_labels(path: Path, desk: ReviewDesk, reviews: Reviews, *, gate: str, reviewer: str) -> Imported:
    """Add the labels of a file: all of them, or none where a row is wrong.

    Args:
        path: of the file.
        desk: takes the labels.
        reviews: what was said until now.
        gate: name of the gate.
        reviewer: who gave the labels of rows that name nobody.

    Raises:
        UserError: the file cannot be read, or a row is wrong; the sentence names the first and what was expected.
        LogUnavailable: the database does not answer; nothing was added.
    """
    lines, empty = [], 0
    now = datetime.now(UTC)
    for line, row in _read(path):
        if (row.get("label") or "").strip() or (row.get("verdict") or "").strip():
            lines.append((line, _review(f"{path}, line {line}", row, gate, reviewer, now)))
        else:
            empty += 1
    _check(path, lines, desk)
    latest = {(one.image_sha256, one.reviewer): one for all_of in reviews.by_photo().values() for one in all_of}
    pairs = [(latest.get((review.image_sha256, review.reviewer)), review) for _, review in lines]
    new = [_following(former, review) for former, review in pairs if not _says_the_same(former, review)]
    desk.record_all(new)
    return Imported(len(new), len(lines) - len(new), empty)


def _rows(reviews: Reviews, photos: PhotoStore) -> Iterator[dict[str, object]]:
    by_photo = reviews.by_photo()
    for prediction in reviews.photos():
        image_sha256 = prediction.image_sha256
        row: dict[str, object] = {
            "image_sha256": image_sha256,
            "image_name": harmless(prediction.image_name),
            "photo": photos.path(image_sha256) if photos.holds(image_sha256) else "",
            "model_label": harmless(prediction.label),
            "confidence": round(prediction.confidence, 6),
            "reason": prediction.review_reason,
            "verdict": "",
        }
        said = by_photo.get(image_sha256, [])
        for review in said:
            yield (
                row
                | {"label": harmless(review.label or ""), "verdict": review.verdict}
                | {"reviewer": harmless(review.reviewer), "time": review.time.isoformat()}
            )
        if not said:
            yield row


def _read(path: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    try:
        # Spreadsheets begin a file with a mark of the byte order.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{path} has no column {missing[0]}; expected {', '.join(NEEDED)} in its first line.")
            for row in reader:
                if None in row:
                    raise UserError(f"{path}, line {reader.line_num}: more values than the first line has columns.")
                yield reader.line_num, row
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file in UTF-8 ({error}).") from None


def _review(where: str, row: Mapping[str, str | None], gate: str, reviewer: str, now: datetime) -> Review:
    def value(name: str) -> str:
        return original((row.get(name) or "").strip())

    label, image_sha256 = value("label") or None, value("image_sha256").lower()
    verdict = value("verdict") or "label"
    if not _SHA256.fullmatch(image_sha256):
        raise UserError(f"{where}: image_sha256 is {image_sha256!r}; expected 64 hexadecimal digits.")
    if verdict not in ("label", "unknown"):
        raise UserError(f"{where}: verdict is {verdict!r}; expected label, unknown, or nothing.")
    time = _time(where, value("time"), now)
    content = [gate, image_sha256, value("reviewer") or reviewer, verdict, label, time.isoformat()]
    try:
        return Review(
            uuid5(_NAMESPACE, json.dumps(content)),
            time,
            image_sha256,
            value("reviewer") or reviewer,
            "unknown" if verdict == "unknown" else "label",
            label,
            source="import",
        )
    except ValueError as error:
        raise UserError(f"{where}: {error}.") from None


def _time(where: str, text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = datetime.max
    if time.tzinfo is None or time.astimezone(UTC) > now + _AHEAD:
        raise UserError(f"{where}: time is {text!r}; expected a time that has been, such as 2026-03-04T10:11:12+00:00.")
    # Not ahead of what somebody says at the desk from now on.
    return min(time.astimezone(UTC), now)


def _check(path: Path, lines: list[tuple[int, Review]], desk: ReviewDesk) -> None:
    known: Collection[str] = desk.known({review.image_sha256 for _, review in lines})
    wrong = [(line, review) for line, review in lines if review.image_sha256 not in known or not desk.allows(review)]
    if not wrong:
        return
    line, review = wrong[0]
    if desk.allows(review):
        problem = f"no photo with the SHA-256 {review.image_sha256} is for review"
    else:
        problem = f"{review.label!r} is no class; the classes are {', '.join(desk.classes)}"
    others = f" {len(wrong) - 1} more rows are wrong." if len(wrong) > 1 else ""
    raise UserError(f"{path}, line {line}: {problem}; nothing was imported.{others}")


def _says_the_same(former: Review | None, review: Review) -> bool:
    return former is not None and (former.verdict, former.label) == (review.verdict, review.label)


def _following(former: Review | None, review: Review) -> Review:
    """With another id after each other review: what was said before, and then otherwise, may be said again."""
    return review if former is None else replace(review, id=uuid5(review.id, str(former.id)))
