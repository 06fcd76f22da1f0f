"""A perceptual hash: 64 bits that stay nearly the same when a photo is re-encoded, resized or lit otherwise.

The DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010): the photo is
reduced to 32×32 grey pixels, and of its two-dimensional DCT-II the 8×8 block that starts at frequency (1, 1) is
compared with its own median. The rows and columns of frequency 0 stay out, as there: with them plain gradients of
light decide many bits, and photos of unlike things under one lamp come to look alike.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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


@lru_cache(maxsize=1024)
def _reducing_cosines(pixels: int) -> NDArray[np.float64]:
    """Averaging an edge over 32 parts of equal length, and transforming these, in one: shape (8, pixels)."""
    ends = np.arange(_EDGE + 1)[:, None] * pixels / _EDGE
    covered = np.diff(np.clip(ends - np.arange(pixels), 0, 1), axis=0)
    result: NDArray[np.float64] = _cosines() @ covered * (_EDGE / pixels)
    return result


def perceptual_hash(levels: NDArray[np.float64]) -> int:
    """Hash a grey picture to 64 bits.

    Args:
        levels: its grey levels, 0..255, shape (height, width), of any size.

    Returns:
        The hash; of a picture of one grey level it is 0.
    """
    height, width = levels.shape
    block = _reducing_cosines(height) @ levels @ _reducing_cosines(width).T
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
