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
from quality_gate.evaluation.precision import Contender, PrecisionComparison, compare_precisions
from quality_gate.inference import OnnxClassifier
from quality_gate.models.folder import ModelFolder
from quality_gate.models.manifest import ONNX_FILE, SERVING_FILE, ModelManifest, Precision, file_digest
from quality_gate.models.serving_network import optimise, quantise
from quality_gate.preprocess import preprocess
from quality_gate.training.candidate import write_network
from quality_gate.training.quantisation_aware import train_for_8_bits

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet, PhotoSets
    from quality_gate.progress import Reporter
    from quality_gate.settings import CalibrationSettings, ServingSettings


@dataclass(frozen=True)
class ServedModel:
    """A model that is ready to be served.

    Attributes:
        model: the folder.
        comparison: in 32 bits and in 8; None where 8 bits were not tried.
        problem: why the network could not be written in 8 bits; '' where it was, or where that was not tried.
        divergences: of a training for 8 bits: how far the answers to the validation photos diverged from those in 32
            bits before and after each pass, in nats; empty where there was none.
    """

    model: ModelFolder
    comparison: PrecisionComparison | None
    problem: str
    divergences: tuple[float, ...] = ()


def make_ready_to_serve(
    model: ModelFolder,
    photos: PhotoSets,
    probabilities: NDArray[np.float64],
    settings: ServingSettings,
    calibration: CalibrationSettings,
    folder: Path,
    reporter: Reporter,
    *,
    seed: int,
) -> ServedModel:
    """Write the network that answers, in the precision that serves best, and the reference for drift.

    In 8-bit integers a model is another one: it gets a temperature and a certificate of its own, from the same photos.
    One that was trained for them has other weights too: its folder holds those, and their digests. What is chosen gets
    golden photos, by which it is known again wherever it is served.

    Args:
        model: calibrated, as the gate has judged it.
        photos: of all splits.
        probabilities: the answers that the gate has judged, shape (test photos, classes).
        settings: what is demanded of 8-bit integers.
        calibration: the promise of the certificate.
        folder: an empty one, for what is made.
        reporter: told how far it is.
        seed: of a training for 8 bits.
    """
    served = _choose_precision(model, photos, probabilities, settings, calibration, folder, reporter, seed)
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
    seed: int,
) -> ServedModel:
    float32 = _with_network(model, folder / "float32", "float32", optimise)
    if not settings.int8:
        return ServedModel(float32, None, "")

    def write(network: Path, target: Path) -> None:
        _quantise(network, model.manifest, photos.train, settings.calibration_photos, target)

    models: dict[Contender, ModelFolder] = {"float32": float32}
    try:
        models["int8"] = _with_network(model, folder / "int8", "int8", write)
    except Exception as error:  # A network may hold what the quantiser does not know; it raises anything.
        shutil.rmtree(folder / "int8")
        return ServedModel(float32, None, " ".join(str(error).split()) or type(error).__name__)
    divergences: tuple[float, ...] = ()
    if settings.quantisation_aware_epochs:
        trained, divergences = _trained_for_8_bits(model, photos, settings, folder / "trained", reporter, seed)
        models["int8_trained"] = _with_network(trained, folder / "int8_trained", "int8", write)
    for contender, contending in models.items():
        if contender != "float32":
            calibrate_manifest(OnnxClassifier(contending.path), photos, calibration, reporter).save(contending.path)
    folders = {contender: contending.path for contender, contending in models.items()}
    comparison = compare_precisions(folders, probabilities, photos.test, settings, reporter)
    return ServedModel(models[comparison.chosen], comparison, "", divergences)


def _with_network(
    model: ModelFolder, folder: Path, precision: Precision, write: Callable[[Path, Path], None]
) -> ModelFolder:
    """The model in ``folder`` with the network that ``write`` makes of the exported one."""
    folder.mkdir(parents=True)
    write(model.path / ONNX_FILE, folder / SERVING_FILE)
    manifest = model.manifest
    digests = {"answers": manifest.answers_digest, "serving": file_digest(folder / SERVING_FILE)}
    return model.copy_with(replace(manifest, precision=precision, digests=manifest.digests | digests), folder)


def _quantise(network: Path, manifest: ModelManifest, train: PhotoSet, number: int, target: Path) -> None:
    quantised = target.with_name("quantised.onnx")
    quantise(network, _spread_tensors(train, manifest, number), quantised)
    optimise(quantised, target)
    quantised.unlink()


def _trained_for_8_bits(
    model: ModelFolder, photos: PhotoSets, settings: ServingSettings, folder: Path, reporter: Reporter, seed: int
) -> tuple[ModelFolder, tuple[float, ...]]:
    """The model with weights that were trained for 8 bits, in ``folder``, and how that went."""
    from quality_gate.models.checkpoint import load_network
    from quality_gate.models.zoo import TransferNetwork

    manifest, network = model.manifest, load_network(model.path)
    # The settings allow no such training of an ensemble.
    assert isinstance(network, TransferNetwork)
    divergences = train_for_8_bits(
        network,
        photos.train,
        photos.validation,
        _spread_tensors(photos.train, manifest, settings.calibration_photos),
        manifest.preprocessing,
        epochs=settings.quantisation_aware_epochs,
        seed=seed,
        reporter=reporter,
    )
    folder.mkdir()
    digests = {
        **manifest.digests,
        "answers": manifest.answers_digest,
        "judged_weights": manifest.digests["weights"],
        **write_network(network, manifest.preprocessing.size, folder),
    }
    replace(manifest, digests=digests).save(folder)
    return ModelFolder(folder), divergences


def _spread_tensors(photos: PhotoSet, manifest: ModelManifest, number: int) -> Iterator[NDArray[np.float32]]:
    """The network's input for some photos, spread evenly over the classes' folders."""
    places = np.unique(np.linspace(0, len(photos) - 1, min(number, len(photos))).round().astype(int))
    chosen = [photos.image_ids[place] for place in places]
    for photo in photos.snapshot.photos(chosen):
        yield preprocess(photo, manifest.preprocessing)
