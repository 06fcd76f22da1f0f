"""Photos whose labels are probably wrong: which, what they look like instead, and training without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.image_table import LEARNING_SPLITS
from quality_gate.errors import UserError
from quality_gate.training.confident_learning import estimate_joint, find_label_errors, out_of_fold
from quality_gate.training.head import choose_strength

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.data.split import SplitResult
    from quality_gate.home import Home
    from quality_gate.progress import Reporter
    from quality_gate.transfer_settings import TransferSettings


@dataclass(frozen=True, eq=False)
class Suspects:
    """What is suspected of the labels of a divided dataset.

    Attributes:
        table: a row for each suspect: ``place`` (1, 2, … in the order in which photos of train and validation are left
            out; 0 in calibration and test, which stay), ``path``, ``label``, ``looks_like``, ``label_probability`` and
            ``looks_like_probability`` (out-of-fold, 0..1), ``split``, and ``twin_labels``, the other labels among its
            near-duplicates, separated by commas. Train and validation come first; in each part the least probable
            label leads.
        joint: estimated photos of train and validation by given label (rows) and real class (columns), float64, shape
            (classes, classes).
        classes: names of the classes, in the order of ``joint``.
        photos: how many were judged in train and validation, and how many in calibration and test.
        agreement: share of the train and validation labels that the head gives back, 0..1: suspects are worth as much
            as the head that names them.
        conflicts: groups of near-duplicates with more than one label, at least one of which is wrong: path and label
            of each photo.
    """

    table: pd.DataFrame
    joint: NDArray[np.float64]
    classes: tuple[str, ...]
    photos: tuple[int, int]
    agreement: float
    conflicts: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def excludable(self) -> int:
        """Suspects in train and validation."""
        return int((self.table["place"] > 0).sum())

    def summary(self, number: int) -> list[str]:
        """What a person wants to know of it when the first ``number`` are to be left out, a line each."""
        errors = self.joint.sum() - np.trace(self.joint)
        lines = [
            f"{self.excludable} of {self.photos[0]} labels in train and validation look wrong (estimated: {errors:.0f} "
            f"wrong), and {len(self.table) - self.excludable} of {self.photos[1]} in calibration and test"
        ]
        if number > self.excludable:
            lines.append(
                f"data.exclude_suspects is {number}: all {self.excludable} of train and validation are left out"
            )
        elif number:
            lines.append(f"the first {number} of train and validation are left out")
        return lines

    def reasons(self, number: int) -> dict[str, str]:
        """Why the first ``number`` suspects of train and validation are left out, by path."""
        rows = self.table[self.table["place"].between(1, number)]
        return {
            path: f"suspected wrong label: looks like {other} ({probability:.2f})"
            for path, other, probability in zip(
                rows["path"], rows["looks_like"], rows["looks_like_probability"], strict=True
            )
        }


def plain_features(
    photos: PhotoSet, settings: TransferSettings, *, home: Home, workers: int, reporter: Reporter
) -> NDArray[np.float32]:
    """What the pretrained backbone sees of every photo: the features of the first view.

    A network without published weights sees nothing yet: the default one looks in its place.

    Args:
        photos: whose bytes are read.
        settings: the backbone and how photos become its input.
        home: where weights and features are kept.
        workers: threads.
        reporter: told how far it is.

    Returns:
        float32, shape (photos, F).

    Raises:
        UserError: the pretrained weights cannot be had.
    """
    from quality_gate.models.zoo import architecture
    from quality_gate.training.features import Row
    from quality_gate.training.pretrained import pretrained
    from quality_gate.transfer_settings import TransferSettings

    if not architecture(settings.model).pretrained:
        settings = TransferSettings(threads=settings.threads)
    backbone = pretrained(settings, len(photos.classes), home, workers=workers).backbone
    progress = reporter.progress("features of all photos")
    return backbone.see(photos, [Row(settings.views[0])], seed=0, on_progress=progress).features


def find_suspects(photos: PhotoSet, table: pd.DataFrame, features: NDArray[np.float32], seed: int) -> Suspects:
    """Hold every label against what a head says that has not seen the photo.

    Train and validation photos are judged by cross-validation among themselves: what is left out of training must not
    depend on the labels that certificate and test rest on. Calibration and test photos, of which none is left out, are
    judged by cross-validation over all photos.

    Suspects are ordered by the probability of their own label. With a fifth of the labels of the Grocery Store photos
    moved, 98 of the first 100 are wrong; orders by margin, entropy or odds find as many.

    Args:
        photos: of all splits.
        table: the image table after the split.
        features: of each photo, float32, shape (photos, F).
        seed: of the folds.
    """
    splits = table.set_index("path").loc[list(photos.paths), "split"].to_numpy(dtype=str)
    learning = np.isin(splits, LEARNING_SPLITS)
    labels, groups = photos.labels, photos.groups
    strength = choose_strength(features[learning], labels[learning], groups[learning], seed)
    probabilities = out_of_fold(features, labels, groups, strength=strength, seed=seed)
    suspected = find_label_errors(probabilities, labels)
    among_themselves = out_of_fold(features[learning], labels[learning], groups[learning], strength=strength, seed=seed)
    suspected[learning] = find_label_errors(among_themselves, labels[learning])
    probabilities[learning] = among_themselves
    twins = _twin_labels(photos)
    return Suspects(
        table=_table(photos, splits, probabilities, suspected, twins),
        joint=estimate_joint(among_themselves, labels[learning]),
        classes=photos.classes,
        photos=(int(learning.sum()), int((~learning).sum())),
        agreement=float((among_themselves.argmax(axis=1) == labels[learning]).mean()),
        conflicts=_conflicts(photos, twins),
    )


def leave_out_suspects(division: SplitResult, suspects: Suspects, number: int, min_photos: int) -> SplitResult:
    """The same division without the first suspects of train and validation.

    Args:
        division: the divided dataset.
        suspects: of it.
        number: how many to leave out; all where there are fewer.
        min_photos: fewest photos of a class outside the test.

    Raises:
        UserError: a class would keep too few photos to be trained on.
    """
    reasons = suspects.reasons(number)
    if not reasons:
        return division
    result = division.leave_out(reasons)
    counts = result.counts()
    kept = {
        label: [counts[split][label] for split in ("train", "validation", "calibration")] for label in suspects.classes
    }
    short = [label for label, photos in kept.items() if sum(photos) < min_photos or 0 in photos]
    if short:
        found = "; ".join(
            "'{}' ({} for train, {} for validation and {} for calibration)".format(label, *kept[label])
            for label in short
        )
        raise UserError(
            f"data.exclude_suspects: without {len(reasons)} suspects too few photos are left of {found}, and at least "
            f"{min_photos} are needed, with one in each; exclude fewer, or correct the labels that suspects.html lists."
        )
    return result


def _table(
    photos: PhotoSet,
    splits: NDArray[np.str_],
    probabilities: NDArray[np.float64],
    suspected: NDArray[np.bool_],
    twins: list[str],
) -> pd.DataFrame:
    import pandas as pd

    rows = np.flatnonzero(suspected)
    likely = probabilities[rows].argmax(axis=1)
    own = photos.labels[rows]
    classes = np.array(photos.classes, dtype=object)
    table = pd.DataFrame(
        {
            "place": 0,
            "path": [photos.paths[row] for row in rows],
            "label": classes[own],
            "looks_like": classes[likely],
            "label_probability": probabilities[rows, own],
            "looks_like_probability": probabilities[rows, likely],
            "split": splits[rows].astype(object),
            "twin_labels": [twins[row] for row in rows],
        }
    )
    table["place"] = table["split"].isin(LEARNING_SPLITS)
    table = table.sort_values(["place", "label_probability", "path"], ascending=[False, True, True], ignore_index=True)
    table["place"] = table["place"].cumsum().where(table["place"], 0)
    return table


def _twin_labels(photos: PhotoSet) -> list[str]:
    """The other labels in the group of each photo, separated by commas."""
    found: dict[int, set[int]] = {}
    for group, label in zip(photos.groups.tolist(), photos.labels.tolist(), strict=True):
        found.setdefault(group, set()).add(label)
    return [
        ", ".join(photos.classes[other] for other in sorted(found[group] - {label}))
        for group, label in zip(photos.groups.tolist(), photos.labels.tolist(), strict=True)
    ]


def _conflicts(photos: PhotoSet, twins: list[str]) -> tuple[tuple[tuple[str, str], ...], ...]:
    members: dict[int, list[tuple[str, str]]] = {}
    for row, (path, group) in enumerate(zip(photos.paths, photos.groups.tolist(), strict=True)):
        if twins[row]:
            members.setdefault(group, []).append((path, photos.classes[photos.labels[row]]))
    return tuple(sorted(tuple(group) for group in members.values()))
