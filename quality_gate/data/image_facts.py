"""What is measured of each photo, from one decode.

Serving measures its photos with it too, and carries neither the sources of photos nor their settings.
"""

import hashlib
import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quality_gate.data.phash import perceptual_hash, to_hex
from quality_gate.preprocess import decode

# Sharpness is that of a picture with so many pixels on its longest edge: what blurs less, a network hardly sees.
THUMBNAIL_EDGE = 160

# The Laplacian is taken in about as many rows; those between them say nearly the same.
LAPLACIAN_ROWS = 40

# Shares of red, green and blue in the luma (ITU-R BT.601, 2.5.1).
_LUMA = (0.299, 0.587, 0.114)

# Red, green and blue of luma and chroma (ITU-T T.871, 7), of which grey has the chroma 128 / 255.
_FROM_YCBCR = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
_GREY = np.array([0, 128 / 255, 128 / 255])

# Averages of so many pixels by so many are rounded to whole levels, and averaged further with hardly any error.
_MEANS_FACTOR = 8


class ImageFacts(NamedTuple):
    """The measured columns of the image table, for one readable photo; ``image_table.COLUMNS`` says what they mean."""

    image_id: str
    width: int
    height: int
    mode: str
    format: str
    file_size_kb: float
    aspect_ratio: float
    brightness: float
    contrast: float
    red_mean: float
    green_mean: float
    blue_mean: float
    sharpness: float
    phash: str


def audit_bytes(data: bytes) -> ImageFacts:
    """Decode a photo, as small as will do, and measure it.

    Raises:
        UnreadableImage: the bytes cannot be used; the message says why.
    """
    return measure(decode(data, edge=THUMBNAIL_EDGE), data)


def measure(image: Image.Image, data: bytes) -> ImageFacts:
    """Measure a photo that is decoded already.

    The photo is first divided by a power of two, so that its longest edge has 160 to 320 pixels: by the decoder that
    read it, where not all of its pixels were asked for, and else here. Both come to the same, on average within a
    fortieth of the standard deviation between photos (``python -m benchmarks.audit --agreement``). Contrast and the
    hash are taken from half of that, in grey; smaller photos are measured as they are.

    Sharpness is that of a picture of 160 pixels, taken as a power of the scale between the two: a pixel is then the
    same share of the picture whatever the camera's resolution, so that sharpness compares between cameras.

    Args:
        image: what :func:`quality_gate.preprocess.decode` made of ``data``, with ``edge=THUMBNAIL_EDGE`` or all of it;
            it is not changed.
        data: the encoded photo.
    """
    width, height = image.info["size"]
    scale = max(width, height) / THUMBNAIL_EDGE
    factor = 1 << max(0, int(scale).bit_length() - 1)
    # The decoder divides by 8 at most, and narrow photos by less; 1 where all pixels were asked for.
    already = round(max(width, height) / max(image.size))
    reduced = image.reduce(factor // already) if factor > already else image
    fine = reduced.getchannel("Y") if reduced.mode == "YCbCr" else reduced.convert("L")
    levels = np.asarray(fine.reduce(2) if scale >= 1 else fine, dtype=np.float64)
    red, green, blue = means = _channel_means(reduced)
    sharpness = _laplacian_variance(np.asarray(fine).astype(np.int16))
    if scale > factor:
        octaves = math.log2(scale / factor)
        sharpness = sharpness ** (1 - octaves) * _laplacian_variance(levels.astype(np.int16)) ** octaves
    return ImageFacts(
        image_id=hashlib.sha256(data).hexdigest(),
        width=width,
        height=height,
        mode=str(image.info["mode"]),
        format=str(image.format),
        file_size_kb=len(data) / 1024,
        aspect_ratio=width / height,
        brightness=sum(share * mean for share, mean in zip(_LUMA, means, strict=True)),
        contrast=math.sqrt(_variance(levels.ravel())) / 255,
        red_mean=red,
        green_mean=green,
        blue_mean=blue,
        sharpness=sharpness,
        phash=to_hex(perceptual_hash(levels)),
    )


def _channel_means(image: Image.Image) -> tuple[float, float, float]:
    """Means of red, green and blue, on the scale 0..1."""
    averages = np.asarray(image.reduce(_MEANS_FACTOR))
    rows, columns = _pixels_behind(image.height), _pixels_behind(image.width)
    sums = columns @ (rows @ averages.reshape(len(rows), -1)).reshape(-1, 3)
    means = sums / (255 * image.width * image.height)
    if image.mode == "YCbCr":
        # Of single pixels the decoder would cut off what lies outside 0..1; there is little of it.
        means = np.clip(_FROM_YCBCR @ (means - _GREY), 0, 1)
    red, green, blue = means.tolist()
    return red, green, blue


@lru_cache(maxsize=1024)
def _pixels_behind(edge: int) -> NDArray[np.float64]:
    """How many pixels of an edge are behind each that is left of it; fewer behind the last. Whole numbers."""
    behind: NDArray[np.float64] = np.minimum(_MEANS_FACTOR, edge - np.arange(0.0, edge, _MEANS_FACTOR))
    return behind


def _variance(values: NDArray[np.float64]) -> float:
    """Variance of whole numbers: their sums are exact, and so the same on every machine."""
    mean = float(values.sum()) / values.size
    # Not ``values @ values``: BLAS would spread it over threads, which cost more than it does.
    return max(0.0, float(np.einsum("i,i->", values, values)) / values.size - mean**2)


def _laplacian_variance(levels: NDArray[Any]) -> float:
    """Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000); 0 for pictures under 3 pixels wide or high."""
    if min(levels.shape) < 3:
        return 0.0
    step = max(1, (len(levels) - 2) // LAPLACIAN_ROWS)
    above, row, below = levels[:-2:step], levels[1:-1:step], levels[2::step]
    laplacian = above[:, 1:-1] + below[:, 1:-1]
    laplacian += row[:, :-2]
    laplacian += row[:, 2:]
    laplacian -= 4 * row[:, 1:-1]
    return _variance(laplacian.astype(np.float64).ravel())
