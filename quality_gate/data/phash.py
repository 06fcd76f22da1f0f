"""A perceptual hash: 64 bits that stay nearly the same when a photo is re-encoded, resized or lit otherwise.

The DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010): the photo is
reduced to 32×32 grey pixels, and of its two-dimensional DCT-II the 8×8 block that starts at frequency (1, 1) is
compared with its own median. The rows and columns of frequency 0 stay out, as there: with them plain gradients of
light decide many bits, and photos of unlike things under one lamp come to look alike.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_DIGITS = 16
_EDGE = 32
_BLOCK = slice(1, 9)

# Smaller coefficients (of grey levels 0..255) are rounding noise; a flat picture hashes to 0 on every machine.
_NOISE = 1e-6


def _cosines() -> NDArray[np.float64]:
    """The rows of the orthonormal DCT-II matrix that the block needs, shape (8, 32)."""
    positions = 2 * np.arange(_EDGE) + 1
    frequencies = np.arange(_EDGE)[_BLOCK, None]
    result: NDArray[np.float64] = np.cos(np.pi * positions * frequencies / (2 * _EDGE)) * np.sqrt(2 / _EDGE)
    return result


_COSINES = _cosines()


def perceptual_hash(grey: Image.Image) -> int:
    """Hash a grey (mode ``L``) picture of any size to 64 bits; a picture of one grey level hashes to 0."""
    small = np.asarray(grey.resize((_EDGE, _EDGE), Image.Resampling.BOX), dtype=np.float64)
    block = _COSINES @ small @ _COSINES.T
    block[np.abs(block) < _NOISE] = 0
    # np.median takes ten times as long for so few values.
    ordered = np.sort(block, axis=None)
    median = (ordered[block.size // 2 - 1] + ordered[block.size // 2]) / 2
    return int.from_bytes(np.packbits(block > median).tobytes(), "big")


def to_hex(value: int) -> str:
    """The hash as it stands in the image table: 16 hex digits."""
    return f"{value:0{HASH_DIGITS}x}"


def from_hex(texts: list[str]) -> NDArray[np.uint64]:
    """Hashes of the image table as numbers: uint64, shape (photos,)."""
    return np.array([int(text, 16) for text in texts], dtype=np.uint64)
