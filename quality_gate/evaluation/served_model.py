"""From the model that passed the gate to the one that answers: optimised, in 8-bit integers where these are as good."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.drift.reference import with_reference
from quality_gate.evaluation.calibrated import calibrate_manifest
from quality_gate.evaluation.golden import add_golden_photos
from quality_gate.evaluation.precision import PrecisionComparison, compare_precisions
from quality_gate.inference import OnnxClassifier
from quality_gate.models.folder import ModelFolder
from quality_gate.models.manifest import ONNX_FILE, SERVING_FILE, ModelManifest, Precision, file_digest
from quality_gate.models.serving_network import optimise, quantise
from quality_gate.preprocess import preprocess

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet, PhotoSets
    from quality_gate.progress import Reporter
    from quality_gate.settings import CalibrationSettings, ServingSettings


@dataclass(frozen=True)
class ServedModel:
    """A model that is ready to be served.

    Attributes:
        model: the folder.
        comparison: of both precisions; None where 8 bits were not tried.
        problem: why the network could not be written in 8 bits; '' where it was, or where that was not tried.
    """

    model: ModelFolder
    comparison: PrecisionComparison | None
    problem: str


def make_ready_to_serve(
    model: ModelFolder,
    photos: PhotoSets,
    probabilities: NDArray[np.float64],
    settings: ServingSettings,
    calibration: CalibrationSettings,
    folder: Path,
    reporter: Reporter,
) -> ServedModel:
    """Write the network that answers, in the precision that serves best, and the reference for drift.

    In 8-bit integers a model is another one: it gets a temperature and a certificate of its own, from the same photos.
    What is chosen gets golden photos, by which it is known again wherever it is served.

    Args:
        model: calibrated, as the gate has judged it.
        photos: of all splits.
        probabilities: the answers that the gate has judged, shape (test photos, classes).
        settings: what is demanded of 8-bit integers.
        calibration: the promise of the certificate.
        folder: an empty one, for what is made.
        reporter: told how far it is.
    """
    served = _choose_precision(model, photos, probabilities, settings, calibration, folder, reporter)
    with_reference(served.model.path, photos, reporter)
    add_golden_photos(served.model, photos.validation)
    return served


def _choose_precision(
    model: ModelFolder,
    photos: PhotoSets,
    probabilities: NDArray[np.float64],
    settings: ServingSettings,
    calibration: CalibrationSettings,
    folder: Path,
    reporter: Reporter,
) -> ServedModel:
    folders: dict[Precision, Path] = {"float32": folder / "float32", "int8": folder / "int8"}
    network = model.path / ONNX_FILE
    float32 = _with_network(model, folders["float32"], "float32", lambda target: optimise(network, target))
    if not settings.int8:
        return ServedModel(float32, None, "")
    try:
        int8 = _with_network(
            model,
            folders["int8"],
            "int8",
            lambda target: _quantise(network, model.manifest, photos.train, settings.calibration_photos, target),
        )
    except Exception as error:  # A network may hold what the quantiser does not know; it raises anything.
        shutil.rmtree(folders["int8"])
        return ServedModel(float32, None, " ".join(str(error).split()) or type(error).__name__)
    calibrate_manifest(OnnxClassifier(int8.path), photos, calibration, reporter).save(int8.path)
    comparison = compare_precisions(folders, probabilities, photos.test, settings, reporter)
    return ServedModel(int8 if comparison.verdict.passed else float32, comparison, "")


def _with_network(model: ModelFolder, folder: Path, precision: Precision, write: Callable[[Path], None]) -> ModelFolder:
    folder.mkdir(parents=True)
    write(folder / SERVING_FILE)
    manifest = model.manifest
    digests = {"answers": manifest.answers_digest, "serving": file_digest(folder / SERVING_FILE)}
    return model.copy_with(replace(manifest, precision=precision, digests=manifest.digests | digests), folder)


def _quantise(network: Path, manifest: ModelManifest, train: PhotoSet, number: int, target: Path) -> None:
    quantised = target.with_name("quantised.onnx")
    quantise(network, _spread_tensors(train, manifest, number), quantised)
    optimise(quantised, target)
    quantised.unlink()


def _spread_tensors(photos: PhotoSet, manifest: ModelManifest, number: int) -> Iterator[NDArray[np.float32]]:
    """The network's input for some photos, spread evenly over the classes' folders."""
    places = np.unique(np.linspace(0, len(photos) - 1, min(number, len(photos))).round().astype(int))
    chosen = [photos.image_ids[place] for place in places]
    for photo in photos.snapshot.photos(chosen):
        yield preprocess(photo, manifest.preprocessing)
