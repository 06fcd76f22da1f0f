"""Which photos become the golden ones of a model: of each class one that it answers right and is sure of."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from quality_gate.inference import OnnxClassifier
from quality_gate.models.folder import ModelFolder
from quality_gate.models.golden import GoldenPhoto, answer_photo, write_golden_photos
from quality_gate.models.manifest import file_digest
from quality_gate.preprocess import decode

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet

# Of so many photos of a class the surest is taken, so that many photos take no longer than few.
CANDIDATES = 12
# A photo takes about 15 kB: with as many classes as this, the file stays below 3 MB.
MOST_CLASSES = 128
JPEG_QUALITY = 90


def add_golden_photos(model: ModelFolder, photos: PhotoSet) -> None:
    """Write golden photos into a model folder that is ready to be served, and their digest into its manifest.

    Classes of which no photo is answered right get none; a model without any is left as it is.

    Args:
        model: in a folder that is still being made.
        photos: of the validation split; the certificate comes from others.
    """
    classifier = OnnxClassifier(model.path)
    golden = [
        chosen
        for number in range(min(len(photos.classes), MOST_CLASSES))
        if (chosen := _surest(classifier, photos, number)) is not None
    ]
    if golden:
        path = write_golden_photos(golden, model.path)
        manifest = model.manifest
        replace(manifest, digests={**manifest.digests, "golden": file_digest(path)}).save(model.path)


def _surest(classifier: OnnxClassifier, photos: PhotoSet, number: int) -> GoldenPhoto | None:
    """The photo of a class that is answered right with the highest confidence; None if none is."""
    label = photos.classes[number]
    ids = [photos.image_ids[place] for place in np.flatnonzero(photos.labels == number)[:CANDIDATES]]
    small = [_reduced(photo, classifier.manifest.preprocessing.size) for photo in photos.snapshot.photos(ids)]
    found = [GoldenPhoto(label, image, answer_photo(classifier, image)) for image in small]
    right = [photo for photo in found if max(photo.probabilities.values()) == photo.probabilities[label]]
    return max(right, key=lambda photo: photo.probabilities[label], default=None)


def _reduced(photo: bytes, size: int) -> bytes:
    """The photo as a JPEG that fits into ``size`` × ``size`` pixels, upright and without metadata."""
    image = decode(photo)
    image.thumbnail((size, size), Image.Resampling.BICUBIC)
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
