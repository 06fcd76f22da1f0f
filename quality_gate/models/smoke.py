"""A model folder must answer before anything is put behind it."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from quality_gate.errors import UserError
from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import MANIFEST_FILE, UnknownModelFormat, file_digest
from quality_gate.preprocess import preprocess


def smoke_test(model_folder: Path, photos: Sequence[bytes] = ()) -> None:
    """Load a model the way it is served and let it answer.

    Args:
        model_folder: folder with ``model.json`` and the network that answers.
        photos: encoded photos to answer for; a built-in one is always answered too.

    Raises:
        UserError: the model cannot be loaded, differs from the digest in its manifest, or does not answer each photo
            with one probability a class that are finite and sum to 1.
        UnreadableImage: one of ``photos`` cannot be decoded.
    """
    try:
        classifier = OnnxClassifier(model_folder)
    except UnknownModelFormat as error:
        raise UserError(f"{error}; a model folder holds the files that training wrote.") from None
    network = model_folder / classifier.manifest.network_file
    _check_digest(network, classifier.manifest.network_digest)
    spec = classifier.manifest.preprocessing
    tensors = np.stack([preprocess(photo, spec) for photo in (_grey_photo(), *photos)])
    try:
        probabilities = classifier.probabilities(tensors)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{network}: the model fails on a photo ({reason}); train it again.") from None
    expected = (len(tensors), len(classifier.manifest.classes))
    if probabilities.shape != expected:
        raise UserError(
            f"{network}: {probabilities.shape[-1]} probabilities a photo, where model.json names "
            f"{expected[1]} classes; the two files are not of one model, train it again."
        )
    if not np.isfinite(probabilities).all() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-6):
        raise UserError(f"{network}: the model's probabilities do not sum to 1; train it again.")


def _check_digest(network: Path, expected: str | None) -> None:
    if expected is not None and file_digest(network) != expected:
        raise UserError(
            f"{network} is not the file {MANIFEST_FILE} was written for (its SHA-256 differs); "
            "restore the folder or train it again."
        )


def _grey_photo() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (128, 128, 128)).save(buffer, format="PNG")
    return buffer.getvalue()
