"""Photo sets that lie in memory."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from quality_gate.data.photo_set import PhotoSet


@dataclass(frozen=True)
class MemorySnapshot:
    """Encoded photos by their number."""

    encoded: tuple[bytes, ...]

    def photos(self, image_ids):
        return (self.encoded[int(image_id)] for image_id in image_ids)


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
    names = tuple(str(number) for number in range(len(photos)))
    return PhotoSet(
        snapshot=MemorySnapshot(tuple(photos)),
        image_ids=names,
        paths=names,
        classes=classes,
        labels=np.asarray(labels, dtype=np.int64),
        groups=np.arange(len(photos), dtype=np.int64),
    )
