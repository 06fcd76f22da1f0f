"""Test photos drawn at random with what the model answers: what its everyday work looks like, not only its worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.reports.rendering import photo, render

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.evaluation.scores import Evaluation

# Photos of each kind, and the edge of a thumbnail in pixels.
SHOWN, THUMBNAIL = 16, 232


@dataclass(frozen=True)
class Sample:
    """A test photo and its answer.

    Attributes:
        photo: a thumbnail as data URI.
        path: where it came from.
        true_label: its class.
        answer: that of the model.
        confidence: of the answer, in 0..1.
        decision: ``accept`` or ``review``.
    """

    photo: str
    path: str
    true_label: str
    answer: str
    confidence: float
    decision: str


def draw_samples(correct: NDArray[np.bool_], seed: int, most: int = SHOWN) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of photos that were answered right and of some that were answered wrong, each drawn at random, in order.

    Args:
        correct: whether each photo was answered right, shape (photos,).
        seed: of the draw.
        most: photos of each kind; where there are fewer, all of them.
    """
    random = np.random.default_rng(seed)
    right, wrong = (np.sort(random.permutation(np.flatnonzero(kind))[:most]) for kind in (correct, ~correct))
    return right, wrong


def samples_page(test: PhotoSet, probabilities: NDArray[np.float64], evaluation: Evaluation, *, seed: int) -> str:
    """The page.

    Args:
        test: the test photos.
        probabilities: of the candidate, shape (photos, classes).
        evaluation: how the model answers and decides.
        seed: of the draw.

    Returns:
        Static HTML.

    Raises:
        UnreadableImage: a photo cannot be decoded.
    """
    numbers, confidence = evaluation.answer(probabilities)
    correct = numbers == test.labels

    def shown(places: NDArray[np.intp]) -> list[Sample]:
        encoded = test.snapshot.photos([test.image_ids[place] for place in places])
        return [
            Sample(
                photo(data, THUMBNAIL),
                test.paths[place],
                test.classes[test.labels[place]],
                test.classes[numbers[place]],
                float(confidence[place]),
                evaluation.routing.decide(float(confidence[place])),
            )
            for place, data in zip(places, encoded, strict=True)
        ]

    right, wrong = draw_samples(correct, seed)
    return render(
        "samples.html.j2",
        name=evaluation.name,
        photos=len(test),
        kinds=(
            ("Answered right", int(correct.sum()), shown(right)),
            ("Answered wrong", int((~correct).sum()), shown(wrong)),
        ),
    )
