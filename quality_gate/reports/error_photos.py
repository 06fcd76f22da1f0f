"""The worst errors of each class, each with what in the photo spoke for the answer and what for the true class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.explanation.overlay import as_png, overlay, seen_pixels
from quality_gate.models.watched_class import answer
from quality_gate.preprocess import preprocess
from quality_gate.reports.rendering import photo

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.explanation.explainer import Explainer
    from quality_gate.models.watched_class import WatchedClass
    from quality_gate.preprocess import PreprocessingSpec
    from quality_gate.progress import Progress

# Pixels; shown at about half of that, sharp on dense screens. A map has few places, so that overlays need fewer.
THUMBNAIL, OVERLAY = 232, 184
SHOWN_PROBABILITIES = 3


@dataclass(frozen=True)
class Evidence:
    """A photo as the network saw it, under what led to two classes; encoded pictures.

    Attributes:
        answer: for the answer.
        truth: for the true class.
    """

    answer: bytes
    truth: bytes


@dataclass(frozen=True)
class WorstError:
    """A photo that was answered wrong.

    Attributes:
        photo: its encoded bytes.
        path: where it came from.
        true_label: its class.
        predicted_label: the answer.
        confidence: of the answer, in 0..1.
        best: the most probable classes with their probabilities, falling.
        evidence: None where there are no maps.
    """

    photo: bytes
    path: str
    true_label: str
    predicted_label: str
    confidence: float
    best: tuple[tuple[str, float], ...]
    evidence: Evidence | None


@dataclass(frozen=True)
class ShownError:
    """An error with its pictures as data URIs."""

    error: WorstError
    photo: str
    for_answer: str | None
    for_truth: str | None


@dataclass(frozen=True)
class ErrorsOfClass:
    """The errors of the photos of one class.

    Attributes:
        label: the class.
        photos: test photos of it.
        wrong: how many of these were answered wrong.
        shown: the most confident first.
    """

    label: str
    photos: int
    wrong: int
    shown: tuple[ShownError, ...]


def worst_errors(
    labels: NDArray[np.int64],
    answered: NDArray[np.int64],
    confidence: NDArray[np.float64],
    limit: int,
    first: int | None = None,
) -> NDArray[np.int64]:
    """The most confident wrong answers of every class, each class in turn until the limit is reached.

    Args:
        labels: class numbers, shape (photos,).
        answered: those of the answers, shape (photos,).
        confidence: of the answers, shape (photos,).
        limit: how many at most, 0 or more.
        first: number of the class whose errors all come before those of others; None: none.

    Returns:
        Indices of photos: the worst of each class, the most confident first, then the second of each class, and so
        on; equals in their order; shape (limit or fewer,).
    """
    wrong = np.flatnonzero(answered != labels)
    confidence = confidence[wrong]
    order = np.argsort(-confidence, kind="stable")
    turn = np.empty(len(wrong), dtype=np.int64)
    for label in np.unique(labels[wrong]):
        of_class = order[labels[wrong][order] == label]
        turn[of_class] = np.arange(len(of_class))
    later = labels[wrong] != first if first is not None else np.zeros(len(wrong), dtype=bool)
    return wrong[np.lexsort((-confidence, turn, later))][:limit].astype(np.int64)


def gather_errors(
    test: PhotoSet,
    probabilities: NDArray[np.float64],
    spec: PreprocessingSpec,
    explainer: Explainer | None,
    *,
    limit: int,
    watched: WatchedClass | None = None,
    on_progress: Progress | None = None,
) -> tuple[WorstError, ...]:
    """Read the photos of the worst errors and make their maps.

    Args:
        test: the test photos.
        probabilities: of the candidate, shape (photos, classes).
        spec: how photos become its input; of several views the first is explained.
        explainer: of the candidate; None where it cannot be explained.
        limit: how many errors at most.
        watched: the class whose missed photos come first; None where there is none.
        on_progress: called with the errors that are explained and how many there are; a map may take a minute.
    """
    numbers, confidence = answer(probabilities, test.classes, watched)
    first = test.classes.index(watched.label) if watched else None
    chosen = worst_errors(test.labels, numbers, confidence, limit, first)
    photos = test.snapshot.photos([test.image_ids[index] for index in chosen])
    gathered = []
    for error in _errors(test, probabilities, numbers, chosen, photos, spec, explainer):
        gathered.append(error)
        if on_progress:
            on_progress(len(gathered), len(chosen))
    return tuple(gathered)


def errors_by_class(
    worst: tuple[WorstError, ...], counts: NDArray[np.int64], classes: tuple[str, ...], first: str | None = None
) -> list[ErrorsOfClass]:
    """Arrange errors for the page, a row a class in the order of the classes; classes without any are left out.

    Args:
        worst: the errors.
        counts: photos by true class (rows) and answer, shape (classes, classes).
        classes: names in the order of the rows.
        first: the class that comes before the others; None: none.

    Raises:
        UnreadableImage: a photo cannot be decoded.
    """
    rows = []
    for index, label in enumerate(classes):
        total, right = int(counts[index].sum()), int(counts[index, index])
        shown = tuple(_shown(error) for error in worst if error.true_label == label)
        if shown:
            rows.append(ErrorsOfClass(label, total, total - right, shown))
    return sorted(rows, key=lambda row: row.label != first)


def _errors(
    test: PhotoSet,
    probabilities: NDArray[np.float64],
    numbers: NDArray[np.int64],
    chosen: NDArray[np.int64],
    photos: Iterator[bytes],
    spec: PreprocessingSpec,
    explainer: Explainer | None,
) -> Iterator[WorstError]:
    for index, data in zip(chosen, photos, strict=True):
        answers, number, truth = probabilities[index], int(numbers[index]), int(test.labels[index])
        best = np.argsort(-answers, kind="stable")[:SHOWN_PROBABILITIES]
        yield WorstError(
            photo=data,
            path=test.paths[index],
            true_label=test.classes[truth],
            predicted_label=test.classes[number],
            confidence=float(answers[number]),
            best=tuple((test.classes[place], float(answers[place])) for place in best),
            evidence=_evidence(preprocess(data, spec)[0], number, truth, spec, explainer),
        )


def _evidence(
    tensor: NDArray[np.float32], answer: int, truth: int, spec: PreprocessingSpec, explainer: Explainer | None
) -> Evidence | None:
    if explainer is None:
        return None
    maps = explainer.maps(tensor, (answer, truth))
    if maps is None:
        return None
    pixels = seen_pixels(tensor, spec)
    return Evidence(*(as_png(overlay(pixels, each)) for each in maps))


def _shown(error: WorstError) -> ShownError:
    evidence = error.evidence
    return ShownError(
        error,
        photo(error.photo, THUMBNAIL),
        photo(evidence.answer, OVERLAY) if evidence else None,
        photo(evidence.truth, OVERLAY) if evidence else None,
    )
