"""A class that must not be missed: how its threshold changes the answers of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A class as probable as this is the most probable one already: a higher threshold would change no answer.
HIGHEST_THRESHOLD = 0.5


@dataclass(frozen=True)
class WatchedClass:
    """The class, and from which probability on it is the answer even where another class is more probable.

    A threshold only adds answers of the class: where it is the most probable one, it stays the answer.

    Attributes:
        label: the class.
        min_recall: share of its photos that should be found, in (0, 1).
        threshold: probability from which it is the answer, in 0..0.5.
        photos: validation photos of the class on which the threshold was chosen, one a duplicate group.
        missed: how many of these are answered otherwise all the same.

    Raises:
        ValueError: the threshold is out of its range.
    """

    label: str
    min_recall: float
    threshold: float
    photos: int
    missed: int

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= HIGHEST_THRESHOLD:
            raise ValueError(f"threshold of {self.label} is {self.threshold}; expected 0 to {HIGHEST_THRESHOLD}")


def answer(
    probabilities: NDArray[np.floating[Any]], classes: Sequence[str], watched: WatchedClass | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What a model answers, and how sure it is of that.

    The confidence is the probability of the answer, so that one which a threshold has raised is as unsure as its class
    is improbable, and goes to review long before it is accepted.

    Args:
        probabilities: shape (photos, classes).
        classes: names in the order of the columns.
        watched: None where the most probable class is always the answer.

    Returns:
        Class numbers, int64, and confidences in 0..1, each of shape (photos,).
    """
    numbers = probabilities.argmax(axis=1)
    if watched is not None:
        place = classes.index(watched.label)
        numbers = np.where(probabilities[:, place] >= watched.threshold, place, numbers)
    confidence = probabilities[np.arange(len(probabilities)), numbers]
    return numbers.astype(np.int64), confidence.astype(np.float64)
