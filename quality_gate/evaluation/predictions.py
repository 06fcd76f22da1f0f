"""The answers of a model on the photos of a split, as a value that steps hand on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.batches import ordered_map
from quality_gate.errors import UserError
from quality_gate.preprocess import preprocess
from quality_gate.processors import available_processors
from quality_gate.step_value import StepValue

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.inference import OnnxClassifier
    from quality_gate.progress import Reporter

PREDICTIONS_FILE = "probabilities.npy"


@dataclass(frozen=True)
class Predictions(StepValue):
    """Probabilities of one model.

    Attributes:
        probabilities: float64, shape (photos, classes), rows that sum to 1, in the order of the split's photos.
    """

    probabilities: NDArray[np.float64]

    def save(self, folder: Path) -> None:
        """Write the predictions into ``folder``."""
        np.save(folder / PREDICTIONS_FILE, self.probabilities, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Predictions:
        """Read what ``save`` wrote."""
        return cls(np.load(folder / PREDICTIONS_FILE, allow_pickle=False))


def predict_logits(classifier: OnnxClassifier, photos: PhotoSet, reporter: Reporter, task: str) -> NDArray[np.float32]:
    """Let an exported model answer photos, each in one thread as when it is served.

    Args:
        classifier: the model.
        photos: what to answer for.
        reporter: told how far it is.
        task: what the answers are for, shown beside the bar.

    Returns:
        float32, shape (photos, classes), before the temperature, in the order of ``photos``.

    Raises:
        UserError: an answer is not finite: such a model has no probabilities to be judged by.
    """
    spec = classifier.manifest.preprocessing
    move = reporter.progress(f"answers for {task}")
    rows: list[NDArray[np.float32]] = []
    answers = ordered_map(
        lambda photo: classifier.logits(preprocess(photo, spec)[None]), photos.read(), workers=available_processors()
    )
    for row in answers:
        rows.append(row)
        move(len(rows), len(photos))
    logits = np.concatenate(rows)
    _check_finite(logits, classifier, photos, task)
    return logits


def member_probabilities(classifier: OnnxClassifier, photos: PhotoSet, reporter: Reporter) -> NDArray[np.float64]:
    """Let the members of an ensemble answer photos, each by itself.

    Args:
        classifier: the ensemble.
        photos: what to answer for.
        reporter: told how far it is.

    Returns:
        Probabilities, float64, shape (photos, members, classes).
    """
    spec = classifier.manifest.preprocessing
    move = reporter.progress("answers of each member")
    rows: list[NDArray[np.float64]] = []
    answers = ordered_map(
        lambda photo: classifier.member_probabilities(preprocess(photo, spec)[None]),
        photos.read(),
        workers=available_processors(),
    )
    for row in answers:
        rows.append(row)
        move(len(rows), len(photos))
    return np.concatenate(rows)


def _check_finite(logits: NDArray[np.float32], classifier: OnnxClassifier, photos: PhotoSet, task: str) -> None:
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if not len(broken):
        return
    manifest = classifier.manifest
    way_out = (
        "go back to the former model with: quality-gate rollback"
        if manifest.version
        else "train again with a lower transfer.learning_rate, or with transfer.finetune_epochs: 0"
    )
    raise UserError(
        f"{manifest.name}:{manifest.version or 'candidate'} gives no finite answer for {len(broken)} of {len(photos)} "
        f"photos ({task}), {photos.paths[broken[0]]} first, and cannot be judged; {way_out}."
    )
