"""What is known of each photo before anything is trained on it, from one decode."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quality_gate.data.batches import ordered_map
from quality_gate.data.image_table import build_table
from quality_gate.data.phash import perceptual_hash, to_hex
from quality_gate.data.sources import PhotoFile, Source
from quality_gate.errors import UserError
from quality_gate.preprocess import UnreadableImage, decode
from quality_gate.processors import available_processors

if TYPE_CHECKING:
    import pandas as pd

# More than any photo within the pixel limit takes uncompressed; a film in a class folder is not read into memory.
MAX_FILE_BYTES = 256 * 1024 * 1024

THUMBNAIL_EDGE = 256

_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class ImageFacts:
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
    """Decode a photo and measure it.

    Raises:
        UnreadableImage: the bytes cannot be used; the message says why.
    """
    return measure(decode(data), data)


def measure(image: Image.Image, data: bytes) -> ImageFacts:
    """Measure a photo that is decoded already.

    Light, colour and sharpness are taken from a thumbnail with a longest edge of 256 pixels (smaller photos are not
    enlarged): quicker, and a pixel is then the same share of the picture whatever the camera's resolution, so that
    sharpness compares between cameras.

    Args:
        image: what :func:`quality_gate.preprocess.decode` made of ``data``; it is not changed.
        data: the encoded photo.
    """
    thumbnail = _thumbnail(image)
    grey = thumbnail.convert("L")
    red, green, blue = (_mean_and_deviation(histogram)[0] for histogram in np.split(_histogram(thumbnail), 3))
    brightness, contrast = _mean_and_deviation(_histogram(grey))
    return ImageFacts(
        image_id=hashlib.sha256(data).hexdigest(),
        width=image.width,
        height=image.height,
        mode=str(image.info["mode"]),
        format=str(image.format),
        file_size_kb=len(data) / 1024,
        aspect_ratio=image.width / image.height,
        brightness=brightness,
        contrast=contrast,
        red_mean=red,
        green_mean=green,
        blue_mean=blue,
        sharpness=_laplacian_variance(grey),
        phash=to_hex(perceptual_hash(grey)),
    )


def audit(source: Source, *, workers: int = 0, on_progress: Callable[[int, int], None] | None = None) -> "pd.DataFrame":
    """Read and decode every file of a source once, in threads, and measure it.

    Args:
        source: the files.
        workers: threads; 0 means one a processor.
        on_progress: called with the files done and the files in all, after each.

    Returns:
        The image table, sorted by path whatever the number of threads; ``group`` is still ''.

    Raises:
        UserError: not one file is readable.
    """
    rows = []
    workers = workers or available_processors()
    for row in ordered_map(lambda file: _row(source.root, file), source.files, workers=workers):
        rows.append(row)
        if on_progress is not None:
            on_progress(len(rows), len(source.files))
    table = build_table(rows)
    if not table["is_readable"].any():
        first = table.iloc[0]
        raise UserError(
            f"{source.root}: none of its {len(table)} files is a readable photo; the first is {first['path']}: "
            f"{first['problem']}."
        )
    return table


def read_photo(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UnreadableImage: it cannot be read, or is larger than any photo.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UnreadableImage(f"{size / 2**20:,.0f} MB; at most {MAX_FILE_BYTES // 2**20} are accepted")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(f"cannot be read ({error.strerror or error})") from None


def _row(root: Path, file: PhotoFile) -> dict[str, Any]:
    row: dict[str, Any] = asdict(file)
    if file.problem:
        return row
    try:
        facts = audit_bytes(read_photo(root / file.path))
    except UnreadableImage as reason:
        return row | {"problem": str(reason)}
    return row | asdict(facts) | {"is_readable": True}


def _thumbnail(image: Image.Image) -> Image.Image:
    scale = THUMBNAIL_EDGE / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _histogram(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image.histogram(), dtype=np.float64)


def _mean_and_deviation(histogram: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation, on the scale 0..1, of a histogram of 256 levels."""
    shares = histogram / histogram.sum()
    mean = float(shares @ _LEVELS)
    deviation = float(np.sqrt(shares @ (_LEVELS - mean) ** 2))
    return mean / 255, deviation / 255


def _laplacian_variance(grey: Image.Image) -> float:
    """Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000); 0 for pictures under 3 pixels wide or high."""
    pixels = np.asarray(grey, dtype=np.int16)
    if min(pixels.shape) < 3:
        return 0.0
    around = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    # Whole numbers from -1020 to 1020: counting them is exact, and quicker than squaring them.
    shares = np.bincount((around - 4 * pixels[1:-1, 1:-1]).ravel() + 1020, minlength=2041) / around.size
    values = np.arange(-1020, 1021, dtype=np.float64)
    return float(shares @ (values - shares @ values) ** 2)
