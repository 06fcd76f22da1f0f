"""The two pages about the photos: what they are, and whether they are fit to train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.data.image_table import SPLITS
from quality_gate.reports.rendering import PALETTE, photo, render

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.data.validation import ValidationResult

THUMBNAIL_EDGE = 200
COMMON_VALUES = 6
SHOWN_COPIES = 100


@dataclass(frozen=True)
class _Measure:
    """A column whose spread is drawn; the axis goes from 0 to ``end``."""

    column: str
    name: str
    end: float
    places: int


@dataclass(frozen=True)
class _Box:
    """Quantiles of a class: positions in percent of the axis, and the median in words."""

    low: float
    lower: float
    middle: float
    upper: float
    high: float
    median: str


@dataclass(frozen=True)
class _Part:
    """The photos of a class in a split; ``width`` is in percent of the longest bar."""

    photos: int
    width: float
    colour: str


@dataclass(frozen=True)
class _Class:
    label: str
    photos: int
    share: float
    parts: tuple[_Part, ...]
    spreads: tuple[_Box, ...]


@dataclass(frozen=True)
class _Split:
    name: str
    key: str
    photos: int
    colour: str


@dataclass(frozen=True)
class _LeftOut:
    path: str
    label: str
    reason: str


@dataclass(frozen=True)
class _Sample:
    name: str
    source: str


def validation_page(result: ValidationResult, *, name: str) -> str:
    """The page of a validation: what failed, with its files, then every check.

    Args:
        result: the outcome.
        name: of the gate.

    Returns:
        Static HTML.
    """
    return render(
        "validation.html.j2",
        result=result,
        name=name,
        errors=list(result.failed("error")),
        warnings=list(result.failed("warning")),
        notes=list(result.failed("info")),
        tolerated=[check for check in result.checks if check.passed and check.examples],
    )


def data_page(
    table: pd.DataFrame,
    *,
    name: str,
    digest: str,
    source: str,
    thumbnails: Mapping[str, bytes] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> str:
    """The page of a dataset: classes, light, sizes, every file left out, copies, samples.

    Args:
        table: the image table, before or after the split.
        name: of the gate.
        digest: of the dataset.
        source: where the photos come from.
        thumbnails: encoded photos by ``path``, as ``photo_set.sample_photos`` gives them; None shows none.
        reasons: why the split left files out, by ``path``; None before the split.

    Returns:
        Static HTML.

    Raises:
        UnreadableImage: a thumbnail is no photo.
    """
    used = table[table["is_readable"]]
    splits = _splits(table)
    measures = _measures(used)
    copies = _copies(used)
    return render(
        "data.html.j2",
        name=name,
        digest=digest,
        source=source,
        files=len(table),
        usable=len(used),
        splits=splits,
        measures=measures,
        classes=_classes(table, used, splits, measures),
        sizes=_common(
            [f"{width:.0f} × {height:.0f}" for width, height in zip(used["width"], used["height"], strict=True)]
        ),
        formats=_common(list(used["format"])),
        modes=_common(list(used["mode"])),
        shorter_edge=_range(used[["width", "height"]].min(axis=1)),
        file_size=_range(used["file_size_kb"]),
        left_out=_left_out(table, reasons or {}),
        copies=copies,
        repeated=sum(len(group) - 1 for group in copies),
        shown_copies=SHOWN_COPIES,
        samples=_samples(used, thumbnails or {}),
    )


def _splits(table: pd.DataFrame) -> tuple[_Split, ...]:
    counts = table.loc[table["is_readable"], "split"].value_counts()
    present = [split for split in (*SPLITS, "") if counts.get(split, 0)]
    unsplit = "left out" if len(present) > 1 else "photos"
    colours = dict(zip((*SPLITS, ""), (PALETTE[0], PALETTE[5], PALETTE[2], PALETTE[4], PALETTE[6]), strict=True))
    return tuple(_Split(split or unsplit, split, int(counts[split]), colours[split]) for split in present)


def _measures(used: pd.DataFrame) -> tuple[_Measure, ...]:
    # Variance has no upper bound and a long tail; the axis ends where the last twentieth of the photos begins.
    sharpest = float(used.groupby("label")["sharpness"].quantile(0.95).max())
    end = max(10.0, -(-sharpest // 10) * 10) if sharpest == sharpest else 10.0
    return (
        _Measure("brightness", "brightness", 1, 2),
        _Measure("contrast", "contrast", 0.5, 2),
        _Measure("sharpness", "sharpness", int(end), 0),
    )


def _classes(
    table: pd.DataFrame, used: pd.DataFrame, splits: Sequence[_Split], measures: Sequence[_Measure]
) -> tuple[_Class, ...]:
    labels = sorted({label for label in table["label"] if label})
    counts = used.groupby(["label", "split"]).size().to_dict()
    totals = used["label"].value_counts().to_dict()
    longest = max(totals.values(), default=1)
    rows = []
    for label in labels:
        parts = tuple(
            _Part(photos, round(100 * photos / longest, 2), split.colour)
            for split in splits
            for photos in [int(counts.get((label, split.key), 0))]
        )
        members = used[used["label"] == label]
        spreads = tuple(_box(members[measure.column], measure) for measure in measures) if len(members) else ()
        total = int(totals.get(label, 0))
        rows.append(_Class(label, total, total / max(1, len(used)), parts, spreads))
    return tuple(rows)


def _box(values: pd.Series, measure: _Measure) -> _Box:
    quantiles = [float(value) for value in values.quantile([0.05, 0.25, 0.5, 0.75, 0.95])]
    low, lower, middle, upper, high = (round(100 * min(1.0, value / measure.end), 2) for value in quantiles)
    return _Box(low, lower, middle, upper, high, f"{quantiles[2]:,.{measure.places}f}")


def _common(values: Sequence[str]) -> list[tuple[str, int, float]]:
    """The most common values with their number and share, the rest as one row."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(value, photos, photos / len(values)) for value, photos in ranked[:COMMON_VALUES]]
    others = ranked[COMMON_VALUES:]
    if others:
        photos = sum(count for _, count in others)
        rows.append((f"{len(others):,} others", photos, photos / len(values)))
    return rows


def _range(values: pd.Series) -> str:
    if values.empty:
        return "–"
    return f"{values.min():,.0f} to {values.max():,.0f} (median {values.median():,.0f})"


def _left_out(table: pd.DataFrame, reasons: Mapping[str, str]) -> tuple[_LeftOut, ...]:
    return tuple(
        _LeftOut(str(row.path), str(row.label), reasons.get(str(row.path)) or str(row.problem) or "not readable")
        for row in table.sort_values("path").itertuples()
        if not row.is_readable or row.path in reasons
    )


def _copies(used: pd.DataFrame) -> list[list[str]]:
    repeated = used[used["image_id"].duplicated(keep=False)].sort_values("path")
    return [list(paths) for _, paths in repeated.groupby("image_id", sort=False)["path"]]


def _samples(used: pd.DataFrame, thumbnails: Mapping[str, bytes]) -> list[tuple[str, list[_Sample]]]:
    shown = used[used["path"].isin(list(thumbnails))].sort_values(["label", "path"])
    return [
        (str(label), [_Sample(path.rpartition("/")[2], photo(thumbnails[path], THUMBNAIL_EDGE)) for path in paths])
        for label, paths in shown.groupby("label", sort=True)["path"]
    ]
