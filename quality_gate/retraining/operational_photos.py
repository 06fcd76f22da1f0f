"""The operational dataset of a gate: photos of its operation that people have labelled, kept for every retraining.

Photos that wait for review are deleted after a while; those that somebody has given a class are kept here for good, in
``photos/`` under their SHA-256. ``labels.csv`` says what each shows, who said so and when, and what the model had
answered; it is written anew by every update and can be read as a source of photos.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quality_gate.data.hard_links import link_or_copy
from quality_gate.monitoring.prediction import Prediction
from quality_gate.review.photos import PhotoStore
from quality_gate.review.spreadsheet import harmless
from quality_gate.review.verdict import Review

LABELS_FILE = "labels.csv"
PHOTOS_FOLDER = "photos"

COLUMNS = ("path", "label", "reviewers", "reviewed", "answer", "confidence", "decision", "reason", "model_version")


@dataclass(frozen=True)
class Disagreement:
    """A photo that reviewers gave different classes; ``labels`` by reviewer."""

    image_sha256: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class OperationalPhotos:
    """The operational dataset after an update.

    Attributes:
        labels_file: names every photo that can be learnt from.
        labels: class of each of these, by SHA-256.
        mistaken: those of them that the model had answered with another class.
        disagreements: photos that are held back.
        missing: SHA-256 of photos whose files were deleted before an update came.
        foreign: photos whose class the champion does not have, by SHA-256; held back too.
        unclear: how many photos nobody could tell the class of.
    """

    labels_file: Path
    labels: Mapping[str, str]
    mistaken: frozenset[str]
    disagreements: tuple[Disagreement, ...]
    missing: tuple[str, ...]
    foreign: Mapping[str, str]
    unclear: int

    def summary(self) -> list[str]:
        """What a person wants to know of it, a line each."""
        counts = Counter(self.labels.values())
        named = ", ".join(f"{label} {count:,}" for label, count in sorted(counts.items()))
        lines = [f"{len(self.labels):,} photos of the operation are labelled{f' ({named})' if named else ''}"]
        if self.labels:
            lines.append(f"{len(self.mistaken):,} of them had another answer")
        if self.disagreements:
            lines.append(f"{len(self.disagreements):,} are held back, because reviewers disagree")
        if self.foreign:
            lines.append(f"{len(self.foreign):,} are held back, because the champion does not have their class")
        if self.missing:
            lines.append(f"{len(self.missing):,} are missing: their files were deleted before they could be kept")
        if self.unclear:
            lines.append(f"of {self.unclear:,} nobody could tell the class")
        return lines


def update_operational_photos(
    folder: Path,
    reviews: Mapping[str, Sequence[Review]],
    answers: Iterable[Prediction],
    store: PhotoStore,
    classes: Collection[str],
) -> OperationalPhotos:
    """Bring the operational dataset of a gate up to what was reviewed.

    Of each reviewer the latest review counts. Where all who gave a class gave the same one, the photo has it; where
    they did not, it is held back.

    Args:
        folder: of the dataset; made where it is not there.
        reviews: of each reviewed photo by SHA-256, the latest of each reviewer.
        answers: one for each photo, with what the model had said.
        store: where photos wait for review.
        classes: of the champion.
    """
    photos = folder / PHOTOS_FOLDER
    photos.mkdir(parents=True, exist_ok=True)
    agreed: dict[str, str] = {}
    disagreements = []
    kept = set()
    for image_sha256, given in sorted(reviews.items()):
        labels = {review.reviewer: review.label for review in given if review.label is not None}
        # Those that are held back too: reviewers may agree, or a champion have the class, when they wait no longer.
        if labels and _kept(image_sha256, store, photos):
            kept.add(image_sha256)
        if len(set(labels.values())) == 1:
            agreed[image_sha256] = next(iter(labels.values()))
        elif labels:
            disagreements.append(Disagreement(image_sha256, labels))
    foreign = {photo: label for photo, label in agreed.items() if label not in classes}
    missing = agreed.keys() - foreign.keys() - kept
    labels = {photo: label for photo, label in agreed.items() if photo not in foreign and photo not in missing}
    answered = {answer.image_sha256: answer for answer in answers if answer.image_sha256 in labels}
    _write_labels(folder / LABELS_FILE, labels, reviews, answered)
    return OperationalPhotos(
        labels_file=folder / LABELS_FILE,
        labels=labels,
        mistaken=frozenset(photo for photo, answer in answered.items() if answer.label != labels[photo]),
        disagreements=tuple(disagreements),
        missing=tuple(sorted(missing)),
        foreign=foreign,
        unclear=sum(all(review.label is None for review in given) for given in reviews.values()),
    )


def _kept(image_sha256: str, store: PhotoStore, photos: Path) -> bool:
    """Whether a photo is in the dataset, now or before."""
    target = photos / image_sha256
    if not target.is_file() and store.holds(image_sha256):
        new = target.with_suffix(".new")
        new.unlink(missing_ok=True)
        try:
            link_or_copy(store.path(image_sha256), new)
        except FileNotFoundError:
            # Deleted since it was looked for.
            return False
        new.replace(target)
    return target.is_file()


def _write_labels(
    path: Path,
    labels: Mapping[str, str],
    reviews: Mapping[str, Sequence[Review]],
    answered: Mapping[str, Prediction],
) -> None:
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for photo, label in labels.items():
            given = [review for review in reviews[photo] if review.label is not None]
            reviewers = harmless("; ".join(review.reviewer for review in given))
            reviewed = max(review.time for review in given).isoformat(timespec="seconds")
            row = [f"{PHOTOS_FOLDER}/{photo}", label, reviewers, reviewed]
            writer.writerow([*row, *_said(answered.get(photo))])
    new.replace(path)


def _said(answer: Prediction | None) -> list[str]:
    if answer is None:
        return [""] * 5
    return [
        answer.label,
        f"{answer.confidence:.4f}",
        answer.decision,
        answer.review_reason or "",
        f"{answer.gate}:{answer.model_version}",
    ]
