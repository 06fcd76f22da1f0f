"""The calibration of a trained model: its temperature and its routing certificate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from quality_gate.evaluation.calibration import fit_temperature
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.evaluation.routing import certify
from quality_gate.inference import OnnxClassifier, softmax

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSets
    from quality_gate.models.manifest import ModelManifest
    from quality_gate.progress import Reporter
    from quality_gate.settings import CalibrationSettings


def calibrate_manifest(
    classifier: OnnxClassifier, photos: PhotoSets, settings: CalibrationSettings, reporter: Reporter
) -> ModelManifest:
    """Calibrate the exported model, the one that is served.

    The temperature is fitted on the validation photos. The sequence of thresholds comes from their confidences, the
    certificate from the calibration photos, which nothing else has seen; of each duplicate group one photo counts,
    since copies are no independent evidence.

    Returns:
        The model's manifest with temperature and certificate.
    """
    raw = classifier.manifest
    validation = predict_logits(classifier, photos.validation, reporter, "validation")
    temperature = fit_temperature(validation, photos.validation.labels)
    calibration = softmax(predict_logits(classifier, photos.calibration, reporter, "calibration"), temperature)
    one_each = np.unique(photos.calibration.groups, return_index=True)[1]
    confidence = calibration.max(axis=1)[one_each]
    correct = (calibration.argmax(axis=1) == photos.calibration.labels)[one_each]
    routing = certify(
        softmax(validation, temperature).max(axis=1), confidence, correct, alpha=settings.alpha, delta=settings.delta
    )
    return replace(raw, temperature=temperature, routing=routing)
