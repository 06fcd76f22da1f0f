"""What is known of each photo before anything is trained on it, from one decode."""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quality_gate.data.batches import ordered_map
from quality_gate.data.phash import perceptual_hash, to_hex
from quality_gate.data.sources import PhotoFile
from quality_gate.preprocess import UnreadableImage, decode
from quality_gate.processors import available_processors

THUMBNAIL_EDGE = 256

# Reading over a network is waiting; so many files are waited for at once.
REMOTE_READERS = 16

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


@dataclass(frozen=True)
class AuditedFile:
    """What came of a file.

    Attributes:
        file: the file.
        facts: what was measured; None if it is no usable photo.
        problem: why it is none; '' for a usable photo.
        data: its bytes; None where they were not read, or are no longer needed.
        was_read: whether its bytes decided what came of it, rather than what kept them from being read.
    """

    file: PhotoFile
    facts: ImageFacts | None
    problem: str
    data: bytes | None
    was_read: bool

    @property
    def row(self) -> dict[str, Any]:
        """Its row of the image table; ``group`` is still ''."""
        said = {"path": self.file.path, "label": self.file.label, "split": self.file.split, "problem": self.problem}
        return said if self.facts is None else said | asdict(self.facts) | {"is_readable": True}


def audit(
    files: Sequence[PhotoFile], *, known: Mapping[str, AuditedFile] | None = None, workers: int = 0
) -> Generator[AuditedFile, None, None]:
    """Read and decode files once, in threads, and measure them.

    Args:
        files: the files.
        known: what an earlier audit found of some of them, by path; these are not opened.
        workers: threads that decode; 0 means one a processor.

    Yields:
        What came of each file, in the order of ``files`` whatever the number of threads.

    Raises:
        UserError: a file changes while it is read, or a server stops answering.
    """
    known = known or {}
    unknown = [file for file in files if file.path not in known]
    with closing(_read_and_measure(unknown, workers or available_processors())) as audited:
        for file in files:
            yield known.get(file.path) or next(audited)


def _read_and_measure(files: Sequence[PhotoFile], workers: int) -> Generator[AuditedFile, None, None]:
    if any(file.origin is not None and file.origin.remote for file in files):
        with closing(_read_ahead(files)) as read:
            yield from ordered_map(_measure, read, workers=workers)
    else:
        yield from ordered_map(lambda file: _measure(_read(file)), files, workers=workers)


def _read_ahead(files: Sequence[PhotoFile]) -> Generator[AuditedFile, None, None]:
    yield from ordered_map(_read, files, workers=REMOTE_READERS)


def _read(file: PhotoFile) -> AuditedFile:
    """A file with its bytes, not measured yet."""
    if file.problem or file.origin is None:
        return AuditedFile(file, None, file.problem, None, was_read=False)
    try:
        return AuditedFile(file, None, "", file.origin.read(), was_read=True)
    except UnreadableImage as reason:
        return AuditedFile(file, None, str(reason), None, was_read=False)


def _measure(read: AuditedFile) -> AuditedFile:
    if read.data is None:
        return read
    try:
        return replace(read, facts=audit_bytes(read.data))
    except UnreadableImage as reason:
        return replace(read, problem=str(reason))


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
