"""What the evaluation page shows besides the figures that the gate judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.calibrated import other_certificates
from quality_gate.evaluation.operating_points import Answers, OperatingPoint, operating_points
from quality_gate.evaluation.slices import Slice, measure_slices, photo_measures
from quality_gate.explanation.explainer import open_explainer
from quality_gate.inference import OnnxClassifier
from quality_gate.reports.error_photos import WorstError, gather_errors
from quality_gate.reports.evaluation_plots import CANDIDATE
from quality_gate.reports.key_findings import Background, background
from quality_gate.training.history import Epoch, TrainingHistory

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.data.photo_set import PhotoSet, PhotoSets
    from quality_gate.evaluation.measured import Measured
    from quality_gate.explanation.settings import Method
    from quality_gate.models.folder import ModelFolder
    from quality_gate.progress import Reporter
    from quality_gate.settings import TrainingSettings


@dataclass(frozen=True)
class ReportData:
    """What the page shows besides the evaluation's figures.

    Attributes:
        labels: class number of each test photo, int64, shape (photos,).
        probabilities: by model name (``candidate``, the baselines, ``champion`` where comparable), shape
            (photos, classes).
        history: passes of fine-tuning; that of number 0 is the state before.
        worst: the most confident errors of each class.
        slices: the candidate on the thirds of every measure of the photos.
        points: the threshold in use between a stricter and a looser one.
        method: how the maps of the worst errors were made; None where there are none.
        known: of data and settings.
    """

    labels: NDArray[np.int64]
    probabilities: dict[str, NDArray[np.float64]]
    history: tuple[Epoch, ...]
    worst: tuple[WorstError, ...]
    slices: dict[str, tuple[Slice, ...]]
    points: tuple[OperatingPoint, ...]
    method: Method | None
    known: Background


def report_data(
    model: ModelFolder,
    measured: Measured,
    photos: PhotoSets,
    table: pd.DataFrame,
    history: TrainingHistory,
    settings: TrainingSettings,
    reporter: Reporter,
) -> ReportData:
    """Gather what the page shows besides the evaluation.

    Args:
        model: the calibrated candidate.
        measured: its evaluation.
        photos: of every split.
        table: the image table after the split.
        history: of fine-tuning.
        settings: of the run.
        reporter: told how far it is.
    """
    classifier = OnnxClassifier(model.path)
    routing = classifier.manifest.routing
    assert routing is not None
    others = other_certificates(classifier, photos, reporter)
    candidate = measured.probabilities[CANDIDATE]
    explainer = open_explainer(model.path, settings.explanation)
    return ReportData(
        labels=photos.test.labels,
        probabilities=measured.probabilities,
        history=history.epochs,
        worst=gather_errors(
            photos.test,
            candidate,
            classifier.manifest.preprocessing,
            explainer,
            limit=settings.evaluation.worst_errors,
            watched=classifier.manifest.watched,
            on_progress=reporter.progress("maps of the worst errors"),
        ),
        slices=slices_of_test(photos.test, candidate, table, settings),
        points=operating_points(routing, others, answers_to_test(photos.test, measured, settings)),
        method=explainer.method if explainer else None,
        known=background(classifier.manifest, table, settings),
    )


def slices_of_test(
    test: PhotoSet, candidate: NDArray[np.float64], table: pd.DataFrame, settings: TrainingSettings
) -> dict[str, tuple[Slice, ...]]:
    """The candidate on the thirds of every measure of the test photos, on the resamples of its other intervals."""
    return measure_slices(
        photo_measures(table, test.image_ids),
        test.labels,
        candidate,
        test.groups,
        resamples=settings.evaluation.bootstrap_resamples,
        seed=settings.seed,
    )


def answers_to_test(test: PhotoSet, measured: Measured, settings: TrainingSettings) -> Answers:
    """The candidate's answers for the test photos, on the resamples of its other intervals."""
    numbers, confidence = measured.evaluation.answer(measured.probabilities[CANDIDATE])
    return Answers(
        confidence=confidence,
        correct=numbers == test.labels,
        groups=test.groups,
        resamples=settings.evaluation.bootstrap_resamples,
        seed=settings.seed,
    )
