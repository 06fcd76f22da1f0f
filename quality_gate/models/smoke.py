"""A model folder must answer before anything is put behind it."""

import io
import logging
from pathlib import Path

import numpy as np
from PIL import Image

from quality_gate.errors import UserError
from quality_gate.inference import OnnxClassifier
from quality_gate.models.golden import OtherAnswer, read_golden_photos
from quality_gate.models.manifest import MANIFEST_FILE, UnknownModelFormat, file_digest
from quality_gate.preprocess import preprocess


def smoke_test(model_folder: Path) -> None:
    """Load a model the way it is served, and hold what it answers against what it answered when it was made.

    A model that was made without golden photos is only asked whether it answers at all, which the log tells.

    Args:
        model_folder: folder with ``model.json``, the network that answers and ``golden.json``.

    Raises:
        UserError: the model cannot be loaded, differs from the digests in its manifest, does not answer a photo with
            one probability a class that are finite and sum to 1, or answers a golden photo otherwise than it did.
    """
    try:
        classifier = OnnxClassifier(model_folder)
        for file, digest in classifier.manifest.served_files.items():
            _check_digest(model_folder / file, digest)
        golden = read_golden_photos(model_folder)
    except UnknownModelFormat as error:
        raise UserError(f"{error}; a model folder holds the files that training wrote.") from None
    network = model_folder / classifier.manifest.network_file
    _check_answer(classifier, network)
    for photo in golden:
        try:
            photo.check(classifier)
        except OtherAnswer as error:
            raise UserError(
                f"{network}: {error}; restore the folder, train it again, or serve it on a machine that computes as "
                "the one it was made on."
            ) from None
        except Exception as error:
            raise _failure(network, error) from None
    if not golden:
        logging.getLogger(__name__).warning(
            "%s was made without golden photos: it answers, but whether it answers as it did was not checked",
            model_folder,
        )


def _check_digest(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    try:
        found = file_digest(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); restore the folder or train it again.") from None
    if found != expected:
        raise UserError(
            f"{path} is not the file {MANIFEST_FILE} was written for (its SHA-256 differs); "
            "restore the folder or train it again."
        )


def _check_answer(classifier: OnnxClassifier, network: Path) -> None:
    """Whether a photo gets probabilities."""
    tensor = preprocess(_grey_photo(), classifier.manifest.preprocessing)
    try:
        probabilities = classifier.probabilities(tensor[None])
    except Exception as error:
        raise _failure(network, error) from None
    expected = len(classifier.manifest.classes)
    if probabilities.shape != (1, expected):
        raise UserError(
            f"{network}: {probabilities.shape[-1]} probabilities a photo, where model.json names "
            f"{expected} classes; the two files are not of one model, train it again."
        )
    if not np.isfinite(probabilities).all() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-6):
        raise UserError(f"{network}: the model's probabilities do not sum to 1; train it again.")


def _failure(network: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(f"{network}: the model fails on a photo ({reason}); train it again.")


def _grey_photo() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (128, 128, 128)).save(buffer, format="PNG")
    return buffer.getvalue()
