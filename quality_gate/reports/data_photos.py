"""The photos the data page shows: samples of every class, outliers, duplicates; which, why, and as small pictures.

There are at most 200 samples, 24 outliers and 108 duplicates of at most 14 KB each, so that pictures take less than
4.7 MB whatever the number of photos and classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

import numpy as np

from quality_gate.data.batches import ordered_map
from quality_gate.data.duplicate_groups import DuplicateGroups
from quality_gate.data.outliers import TRAITS
from quality_gate.processors import available_processors
from quality_gate.reports.class_balance import LEFT_OUT
from quality_gate.reports.rendering import photo

if TYPE_CHECKING:
    import pandas as pd

THUMBNAIL_EDGE = 160
# Of noise even a thumbnail is large; it is made this small where its data URI exceeds the limit.
NOISE_EDGE = 96
MOST_CHARACTERS = 14_000

SAMPLES = 200
OUTLIERS = 24
OUTLIERS_OF_A_KIND = 3
GROUPS_OF_A_KIND = 6
PICTURES_OF_A_GROUP = 6
FILES_OF_A_PICTURE = 4

PhotoReader = Callable[[Sequence[str]], Iterator[bytes]]


@dataclass(frozen=True)
class Reason:
    """What an outlier is, compared with its class."""

    what: str
    value: str
    usual: str
    score: float


@dataclass(frozen=True)
class Outlier:
    """A photo unlike its class; ``reasons`` has the strongest first."""

    image_id: str
    path: str
    label: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class GroupFile:
    """A file of a duplicate group; ``place`` is its split."""

    path: str
    label: str
    place: str


@dataclass(frozen=True)
class GroupPicture:
    """A picture of a duplicate group and the first files that have its bytes; ``more`` are left unnamed."""

    image_id: str
    files: tuple[GroupFile, ...]
    more: int


@dataclass(frozen=True)
class Group:
    """A duplicate group; ``more`` pictures of it are not shown."""

    files: int
    labels: int
    is_leak: bool
    pictures: tuple[GroupPicture, ...]
    more: int


@dataclass(frozen=True)
class GroupKind:
    """Groups of one kind: how many there are, and the first of them."""

    name: str
    meaning: str
    groups: int
    files: int
    shown: tuple[Group, ...]


@dataclass(frozen=True)
class Sample:
    """A sample of a class."""

    image_id: str
    path: str


def samples_per_class(classes: int) -> int:
    """How many samples of a class are shown: 8 of few classes, fewer of many, 1 at least."""
    return max(1, min(8 if classes <= 8 else 4, SAMPLES // max(1, classes)))


def class_samples(photos: pd.DataFrame) -> tuple[tuple[str, tuple[Sample, ...]], ...]:
    """Photos of the first 200 classes, picked evenly in the order of their paths, one of a duplicate group at most.

    Args:
        photos: readable rows of the image table.
    """
    known = photos.sort_values("path")
    groups = known["group"].where(known["group"] != "", known["image_id"])
    different = known[~groups.duplicated()]
    per_class = samples_per_class(known["label"].nunique())
    samples = []
    for label, rows in different.groupby("label", sort=True):
        picked = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, per_class).round().astype(int))]
        files = zip(picked["image_id"], picked["path"], strict=True)
        samples.append((str(label), tuple(Sample(image_id, path) for image_id, path in files)))
    return tuple(samples[:SAMPLES])


def strongest_outliers(found: pd.DataFrame) -> tuple[Outlier, ...]:
    """The outliers that are shown: the farthest first, at most three of a class for the same trait.

    Args:
        found: what :func:`quality_gate.data.outliers.find_outliers` found.
    """
    leading = found.drop_duplicates("image_id")
    rank = leading.groupby(["label", "trait"]).cumcount()
    shown = leading[rank < OUTLIERS_OF_A_KIND].head(OUTLIERS)
    columns = ["trait", "value", "median", "score"]
    reasons = found[found["path"].isin(shown["path"])].groupby("path", sort=False)[columns]
    by_path = {path: tuple(_reason(*row) for row in rows.itertuples(index=False, name=None)) for path, rows in reasons}
    files = shown[["image_id", "path", "label"]].itertuples(index=False, name=None)
    return tuple(Outlier(image_id, path, label, by_path[path]) for image_id, path, label in files)


def group_kinds(duplicates: DuplicateGroups) -> tuple[GroupKind, ...]:
    """The duplicate groups by what is wrong with them, the worst first; kinds without any are left out."""
    groups = duplicates.groups
    leaks = groups["is_leak"] & ~groups["is_conflict"]
    alike = "Photos that hardly differ," if duplicates.has_near_duplicates else "The same photo"
    kinds = (
        (
            "Conflicting labels",
            f"{alike} under different labels: unless their classes differ in a detail, one is wrong.",
            groups["is_conflict"],
        ),
        (
            "From training into test",
            "Scored on these, a model is praised for what it has seen. The split leaves out the files outside test.",
            leaks,
        ),
        (
            "Within one split" if duplicates.has_near_duplicates else "Within one class",
            "Harmless: a group is never parted. It adds less than its number of files says.",
            ~groups["is_conflict"] & ~leaks,
        ),
    )
    return tuple(
        GroupKind(name, meaning, int(chosen.sum()), int(groups.loc[chosen, "files"].sum()), _shown(duplicates, chosen))
        for name, meaning, chosen in kinds
        if chosen.any()
    )


def shown_photos(
    samples: Iterable[tuple[str, Sequence[Sample]]], outliers: Iterable[Outlier], kinds: Iterable[GroupKind]
) -> set[str]:
    """The ``image_id`` of every photo that is shown."""
    return {
        *(sample.image_id for _, few in samples for sample in few),
        *(outlier.image_id for outlier in outliers),
        *(picture.image_id for kind in kinds for group in kind.shown for picture in group.pictures),
    }


def make_thumbnails(table: pd.DataFrame, image_ids: set[str], read: PhotoReader) -> Mapping[str, str]:
    """Read and shrink photos, one original a processor in memory.

    Args:
        table: the image table; photos are read in the order of its paths, as they lie in the snapshot.
        image_ids: of the photos.
        read: gives encoded photos by their ``image_id``, in order.

    Returns:
        Data URIs by ``image_id``.

    Raises:
        UnreadableImage: a photo is none.
    """
    rows = table[table["image_id"].isin(image_ids)].sort_values("path")
    ordered = rows["image_id"].drop_duplicates().tolist()
    made = ordered_map(_thumbnail, read(ordered), workers=available_processors())
    return dict(zip(ordered, made, strict=True))


def _thumbnail(data: bytes) -> str:
    source = photo(data, THUMBNAIL_EDGE)
    return source if len(source) <= MOST_CHARACTERS else photo(data, NOISE_EDGE)


def _reason(name: str, value: float, median: float, score: float) -> Reason:
    trait = next(trait for trait in TRAITS if trait.name == name)
    return Reason(
        trait.more if score > 0 else trait.less, _trait_text(name, value), _trait_text(name, median), abs(score)
    )


def _trait_text(name: str, value: float) -> str:
    if name in ("warmth", "greenness"):
        return f"{value:.0%}"
    if name == "size":
        return f"{exp(value):,.0f} px"
    if name == "shape":
        return f"{exp(value):.2f} : 1"
    return f"{exp(value):,.0f}" if name == "sharpness" else f"{value:.2f}"


def _shown(duplicates: DuplicateGroups, chosen: pd.Series[bool]) -> tuple[Group, ...]:
    names = duplicates.groups.index[chosen][:GROUPS_OF_A_KIND]
    files = duplicates.files[duplicates.files["group"].isin(names)]
    if duplicates.has_near_duplicates:
        files = files.assign(split=files["split"].where(files["split"] != "", LEFT_OUT))
    # One file of each label and split leads, so that what is suspicious about a large group is among what is shown.
    rank = files.groupby(["group", "label", "split"]).cumcount()
    members = dict(list(files.loc[rank.sort_values(kind="stable").index].groupby("group")))
    return tuple(_group(members[name], is_leak) for name, is_leak in duplicates.groups.loc[names, "is_leak"].items())


def _group(files: pd.DataFrame, is_leak: bool) -> Group:
    pictures = [_group_picture(str(image_id), same) for image_id, same in files.groupby("image_id", sort=False)]
    return Group(
        files=len(files),
        labels=files["label"].nunique(),
        is_leak=is_leak,
        pictures=tuple(pictures[:PICTURES_OF_A_GROUP]),
        more=len(pictures[PICTURES_OF_A_GROUP:]),
    )


def _group_picture(image_id: str, same: pd.DataFrame) -> GroupPicture:
    rows = same[["path", "label", "split"]].itertuples(index=False, name=None)
    files = [GroupFile(path, label, split) for path, label, split in rows]
    return GroupPicture(image_id, tuple(files[:FILES_OF_A_PICTURE]), len(files[FILES_OF_A_PICTURE:]))
