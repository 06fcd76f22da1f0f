"""Photo sets that lie in memory."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from quality_gate.data.photo_set import PhotoSet


@dataclass(frozen=True)
class MemorySnapshot:
    """Encoded photos by their SHA-256; ``asked`` lists the photos that were read."""

    encoded: dict[str, bytes]
    asked: list[str] = field(default_factory=list)

    def photos(self, image_ids):
        for image_id in image_ids:
            self.asked.append(image_id)
            yield self.encoded[image_id]


@pytest.fixture(scope="session")
def encode_png() -> Callable[[np.ndarray], bytes]:
    """Encodes uint8 pixels, shape (height, width, 3)."""
    return _encode_png


@pytest.fixture(scope="session")
def photos_in_memory() -> Callable[..., PhotoSet]:
    """Makes a photo set of encoded photos and their class numbers; every photo is a group of its own."""
    return _photos_in_memory


def _encode_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _photos_in_memory(photos: Sequence[bytes], labels: Sequence[int], classes: tuple[str, ...]) -> PhotoSet:
    image_ids = tuple(sha256(photo).hexdigest() for photo in photos)
    return PhotoSet(
        snapshot=MemorySnapshot(dict(zip(image_ids, photos, strict=True))),
        image_ids=image_ids,
        paths=tuple(str(number) for number in range(len(photos))),
        classes=classes,
        labels=np.asarray(labels, dtype=np.int64),
        groups=np.arange(len(photos), dtype=np.int64),
    )
