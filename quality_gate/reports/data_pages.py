"""The two pages about the photos: what they are, and whether they are fit to train on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.data.duplicate_groups import DuplicateGroups, duplicate_groups
from quality_gate.data.outliers import SMALLEST_CLASS, THRESHOLD, find_outliers
from quality_gate.reports.class_balance import class_balance
from quality_gate.reports.data_findings import (
    balance_findings,
    duplicate_findings,
    left_out_findings,
    outlier_findings,
    shift_findings,
    shortcut_findings,
)
from quality_gate.reports.data_photos import (
    PhotoReader,
    class_samples,
    group_kinds,
    make_thumbnails,
    samples_per_class,
    shown_photos,
    strongest_outliers,
)
from quality_gate.reports.measure_table import light_means, measure_rows
from quality_gate.reports.rendering import render
from quality_gate.reports.size_chart import size_chart
from quality_gate.reports.spreads import (
    class_colours,
    class_spreads,
    histograms,
    light_measures,
    size_measures,
)

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.data.validation import ValidationResult

COMMON_VALUES = 6
LISTED_GROUPS = 100
LISTED_FILES_OF_A_GROUP = 20
# A list this long is half a megabyte; all of it is in the split's left_out table.
LISTED_LEFT_OUT = 5_000


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used."""

    path: str
    label: str
    reason: str


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
    photos: PhotoReader | None = None,
    reasons: Mapping[str, str] | None = None,
) -> str:
    """The page of a dataset: what a person would look for in it before training anything.

    It stays under 6 MB with any number of photos and a thousand classes: photos are counted in bins and shown in
    limited number, with their total beside them.

    Args:
        table: the image table, before or after the split; only after it near-duplicates are known.
        name: of the gate.
        digest: of the dataset.
        source: where the photos come from.
        photos: gives encoded photos by their ``image_id``, as ``Snapshot.photos`` does; None shows none.
        reasons: why the split left files out, by ``path``; None before the split.

    Returns:
        Static HTML.

    Raises:
        UnreadableImage: a photo to be shown is none.
    """
    in_use = table["is_readable"] & ~table["path"].isin(list(reasons or {}))
    used = table[in_use]
    light, size = light_measures(used), size_measures(used)
    is_test = used["split"] == "test"
    drawn = histograms((*light, *size), is_test)
    balance, duplicates, found = class_balance(table, in_use), duplicate_groups(table), find_outliers(used)
    outliers, kinds, samples = strongest_outliers(found), group_kinds(duplicates), class_samples(used)
    left_out = _left_out(table[~in_use], reasons or {})
    findings = [
        *balance_findings(balance),
        *left_out_findings(len(table), len(left_out)),
        *duplicate_findings(duplicates),
        *shortcut_findings((*light, *size)),
        *shift_findings(drawn, int((~is_test).sum()), int(is_test.sum())),
        *outlier_findings(len(used), found["path"].nunique()),
    ]
    shown = shown_photos(samples, outliers, kinds)
    return render(
        "data.html.j2",
        name=name,
        digest=digest,
        source=source,
        files=len(table),
        usable=len(used),
        findings=[finding for status in ("warn", "none", "pass") for finding in findings if finding.status == status],
        balance=balance,
        samples=samples,
        per_class=samples_per_class(len(samples)),
        light=light,
        light_rows=class_spreads(used["label"], light),
        colours=class_colours(used),
        size=size,
        size_rows=class_spreads(used["label"], size),
        size_chart=size_chart(used),
        histograms=drawn,
        measures=measure_rows(used),
        light_means=light_means(used),
        **_common_values(used),
        outliers=outliers,
        outlier_photos=found["path"].nunique(),
        threshold=THRESHOLD,
        smallest_class=SMALLEST_CLASS,
        duplicates=duplicates.groups,
        kinds=kinds,
        has_near_duplicates=duplicates.has_near_duplicates,
        listed_groups=_listed_groups(duplicates),
        left_out=left_out[:LISTED_LEFT_OUT],
        left_out_files=len(left_out),
        thumbnails=make_thumbnails(table, shown, photos) if photos else {},
    )


def _common_values(used: pd.DataFrame) -> dict[str, list[tuple[str, int, float]]]:
    width, height = (used[edge].map("{:.0f}".format).astype("str") for edge in ("width", "height"))
    sizes = width + " × " + height
    return {"sizes": _common(sizes), "formats": _common(used["format"]), "modes": _common(used["mode"])}


def _common(values: pd.Series[str]) -> list[tuple[str, int, float]]:
    """The most common values with their number and share, the rest as one row."""
    ranked = sorted(values.value_counts().items(), key=lambda item: (-item[1], str(item[0])))
    rows = [(str(value), int(photos), photos / len(values)) for value, photos in ranked[:COMMON_VALUES]]
    others = ranked[COMMON_VALUES:]
    if others:
        photos = sum(count for _, count in others)
        rows.append((f"{len(others):,} others", photos, photos / len(values)))
    return rows


def _left_out(lost: pd.DataFrame, reasons: Mapping[str, str]) -> list[LeftOut]:
    rows = lost.sort_values("path")[["path", "label", "problem"]].itertuples(index=False, name=None)
    return [LeftOut(path, label, reasons.get(path) or problem or "not readable") for path, label, problem in rows]


def _listed_groups(duplicates: DuplicateGroups) -> list[tuple[list[str], int]]:
    """The first paths of each of the most suspicious groups, and how many more it has."""
    names = duplicates.groups.index[:LISTED_GROUPS]
    paths = duplicates.files[duplicates.files["group"].isin(names)].groupby("group")["path"].agg(list)
    most = LISTED_FILES_OF_A_GROUP
    return [(paths[name][:most], len(paths[name][most:])) for name in names]
