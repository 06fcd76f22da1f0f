"""The calibration of a trained model: its temperature and its routing certificate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.calibration import fit_temperature
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.evaluation.routing import certify
from quality_gate.evaluation.watched import watch
from quality_gate.inference import OnnxClassifier, softmax

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet, PhotoSets
    from quality_gate.models.manifest import ModelManifest, RoutingCertificate
    from quality_gate.progress import Reporter
    from quality_gate.settings import CalibrationSettings


def calibrate_manifest(
    classifier: OnnxClassifier, photos: PhotoSets, settings: CalibrationSettings, reporter: Reporter
) -> ModelManifest:
    """Calibrate the exported model, the one that is served.

    The temperature is fitted on the validation photos; on them the threshold of the watched class is chosen, too. The
    sequence of thresholds comes from their confidences, the certificate from the calibration photos, which nothing else
    has seen; of each duplicate group one photo counts, since copies are no independent evidence.

    Returns:
        The model's manifest with temperature, watched class and certificate.

    Raises:
        UserError: the class to watch is none of the model, or has no validation photo.
    """
    raw = classifier.manifest
    validation = predict_logits(classifier, photos.validation, reporter, "validation")
    temperature = fit_temperature(validation, photos.validation.labels)
    calibration = softmax(predict_logits(classifier, photos.calibration, reporter, "calibration"), temperature)
    known = softmax(validation, temperature)
    watched = watch(known, photos.validation, settings.watched_class) if settings.watched_class else None
    manifest = replace(raw, temperature=temperature, watched=watched)
    # With the answers that are served, or its promise would be one of other answers.
    routing = _certify(manifest, known, calibration, photos.calibration, settings.alpha, settings.delta)
    return replace(manifest, routing=routing)


def other_certificates(
    classifier: OnnxClassifier, photos: PhotoSets, reporter: Reporter
) -> tuple[RoutingCertificate, ...]:
    """What a calibrated model could have promised instead: half and twice its share of wrong answers.

    Each certificate is made like the model's own and holds by itself with the same confidence; a person who picks one
    after seeing all of them has the confidence 1 - 3δ.

    Returns:
        The certificates, without a threshold where none could be proven; twice a share of a half or more promises
        nothing and is left out.
    """
    manifest = classifier.manifest
    routing = manifest.routing
    assert routing is not None
    validation, calibration = (
        softmax(predict_logits(classifier, split, reporter, f"{name}, other promises"), manifest.temperature)
        for name, split in (("validation", photos.validation), ("calibration", photos.calibration))
    )
    alphas = [alpha for alpha in (routing.alpha / 2, 2 * routing.alpha) if alpha < 1]
    return tuple(
        _certify(manifest, validation, calibration, photos.calibration, alpha, routing.delta) for alpha in alphas
    )


def _certify(
    manifest: ModelManifest,
    validation: NDArray[np.float64],
    calibration: NDArray[np.float64],
    photos: PhotoSet,
    alpha: float,
    delta: float,
) -> RoutingCertificate:
    one_each = np.unique(photos.groups, return_index=True)[1]
    numbers, confidence = manifest.answer(calibration)
    correct = (numbers == photos.labels)[one_each]
    return certify(manifest.answer(validation)[1], confidence[one_each], correct, alpha=alpha, delta=delta)
