"""The photos of one split, as a model sees them: bytes, class numbers, duplicate groups."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.image_table import ROLLING_TEST, SPLITS

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.data.snapshot import Snapshot


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one split.

    Attributes:
        snapshot: where their bytes are.
        image_ids: SHA-256 of each photo.
        paths: of each photo, relative to the source.
        classes: labels in the order of the class numbers.
        labels: class number of each photo, int64, shape (photos,).
        groups: number of the duplicate group of each photo, int64, shape (photos,).
    """

    snapshot: Snapshot
    image_ids: tuple[str, ...]
    paths: tuple[str, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)

    def read(self) -> Iterator[bytes]:
        """The encoded photos, in order."""
        return self.snapshot.photos(self.image_ids)

    def at(self, places: NDArray[np.intp]) -> PhotoSet:
        """The photos at some places, in their order; a place may be there more than once."""
        return replace(
            self,
            image_ids=tuple(self.image_ids[place] for place in places),
            paths=tuple(self.paths[place] for place in places),
            labels=self.labels[places],
            groups=self.groups[places],
        )

    def repeated(self, image_ids: Collection[str], copies: int) -> PhotoSet:
        """The set with some of its photos several times; copies have one group, so that none vouches for another.

        Args:
            image_ids: SHA-256 of these photos; those of others are passed over.
            copies: how often each is there then, from 1 on.
        """
        chosen = frozenset(image_ids)
        return self.at(np.repeat(np.arange(len(self)), [copies if one in chosen else 1 for one in self.image_ids]))


def photo_set(snapshot: Snapshot, table: pd.DataFrame, split: str, classes: tuple[str, ...]) -> PhotoSet:
    """Select the photos of one split.

    Args:
        snapshot: where their bytes are.
        table: the image table after the split.
        split: ``train``, ``validation``, ``calibration``, ``test`` or ``rolling_test``.
        classes: labels in the order of the class numbers.
    """
    return _of_rows(snapshot, table[table["split"] == split], classes)


def divided_photos(snapshot: Snapshot, table: pd.DataFrame) -> PhotoSet:
    """Select the photos of all splits of the image table as one set; classes are in alphabetical order."""
    return _of_rows(snapshot, table[table["split"].isin(SPLITS)], tuple(sorted(snapshot.classes)))


def _of_rows(snapshot: Snapshot, table: pd.DataFrame, classes: tuple[str, ...]) -> PhotoSet:
    rows = table.sort_values("path")
    number = {label: index for index, label in enumerate(classes)}
    return PhotoSet(
        snapshot=snapshot,
        image_ids=tuple(rows["image_id"]),
        paths=tuple(rows["path"]),
        classes=classes,
        labels=np.array([number[label] for label in rows["label"]], dtype=np.int64),
        groups=np.unique(rows["group"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64),
    )


@dataclass(frozen=True)
class PhotoSets:
    """The photos of all splits, with the same classes in the same order; a rolling test only a retraining has."""

    train: PhotoSet
    validation: PhotoSet
    calibration: PhotoSet
    test: PhotoSet
    rolling_test: PhotoSet | None = None


def photo_sets(snapshot: Snapshot, table: pd.DataFrame) -> PhotoSets:
    """Select the photos of every split of the image table; classes are in alphabetical order."""
    classes = tuple(sorted(snapshot.classes))
    found = PhotoSets(*(photo_set(snapshot, table, split, classes) for split in SPLITS))
    if not (table["split"] == ROLLING_TEST).any():
        return found
    return replace(found, rolling_test=photo_set(snapshot, table, ROLLING_TEST, classes))


def photos_by_path(photos: PhotoSet, paths: Sequence[str]) -> dict[str, bytes]:
    """Read some photos of a set: encoded bytes by path."""
    ids = dict(zip(photos.paths, photos.image_ids, strict=True))
    return dict(zip(paths, photos.snapshot.photos([ids[path] for path in paths]), strict=True))
