"""What is known of each photo before anything is trained on it, from one decode.

Serving measures its photos with it too, and carries neither the sources of photos nor their settings.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quality_gate.data.batches import map_in, ordered_map
from quality_gate.data.phash import perceptual_hash, to_hex
from quality_gate.preprocess import UnreadableImage, decode
from quality_gate.processors import available_processors

if TYPE_CHECKING:
    from quality_gate.data.sources import PhotoFile

# Sharpness is that of a picture with so many pixels on its longest edge: what blurs less, a network hardly sees.
THUMBNAIL_EDGE = 160

# The Laplacian is taken in about as many rows; those between them say nearly the same.
LAPLACIAN_ROWS = 40

# Reading over a network is waiting; so many files are waited for at once.
REMOTE_READERS = 16

# What a thread and a process are given at a time: enough that handing it over does not count, few enough for memory.
FILES_AT_ONCE = 4
FILES_OF_A_PROCESS = 32

Result = TypeVar("Result")

# Shares of red, green and blue in the luma (ITU-R BT.601, 2.5.1).
_LUMA = (0.299, 0.587, 0.114)

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
    hundredth of the standard deviation between photos (``python -m benchmarks.audit --agreement``). Contrast and the
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
    fine = reduced.convert("L")
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


@dataclass(frozen=True, slots=True)
class AuditedFile:
    """What came of a file.

    Attributes:
        file: the file.
        facts: what was measured; None if it is no usable photo.
        problem: why it is none; '' for a usable photo.
        data: its bytes; None where they were not read.
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
        return said if self.facts is None else said | self.facts._asdict() | {"is_readable": True}


def audit(
    files: Sequence[PhotoFile],
    *,
    known: Mapping[str, AuditedFile] | None = None,
    workers: int = 0,
    processes: int = 1,
) -> Generator[AuditedFile, None, None]:
    """Read and decode files once, in threads of one process or of several, and measure them.

    Args:
        files: the files.
        known: what an earlier audit found of some of them, by path; these are not opened.
        workers: threads that decode, of all processes together, at least one each; 0 means one a processor.
        processes: that share the files, some at a time; 1 is this one.

    Yields:
        What came of each file, in the order of ``files`` whatever the number of threads and processes.

    Raises:
        UserError: a file changes while it is read, a server stops answering, or a process was killed.
    """
    known = known or {}
    unknown = [file for file in files if file.path not in known]
    threads = workers or available_processors()
    # A process costs more to start than a few photos take.
    processes = min(processes, -(-len(unknown) // FILES_OF_A_PROCESS))
    read = _read_in_processes(unknown, threads, processes) if processes > 1 else _read_in_threads(unknown, threads)
    with closing(read) as audited:
        for file in files:
            yield known.get(file.path) or next(audited)


def _read_in_threads(files: Sequence[PhotoFile], threads: int) -> Generator[AuditedFile, None, None]:
    remote = any(file.origin is not None and file.origin.remote for file in files)
    return read_files(files, _measure, remote=remote, workers=threads, at_once=FILES_AT_ONCE)


def _read_in_processes(files: Sequence[PhotoFile], threads: int, processes: int) -> Generator[AuditedFile, None, None]:
    # Serving does not carry it.
    from quality_gate.process_pool import process_pool

    parts = (files[start : start + FILES_OF_A_PROCESS] for start in range(0, len(files), FILES_OF_A_PROCESS))
    work = partial(_audit_part, threads=max(1, threads // processes))
    failure = (
        "A process that audits photos was killed, as where memory runs out, or could not start; lower data.processes, "
        "or free some memory, and start again."
    )
    with process_pool(processes, failure) as pool:
        for part in map_in(pool, work, parts, ahead=2 * processes):
            yield from part


def _audit_part(files: Sequence[PhotoFile], threads: int) -> list[AuditedFile]:
    return list(_read_in_threads(files, threads))


def read_files(
    files: Iterable[PhotoFile], work: Callable[[AuditedFile], Result], *, remote: bool, workers: int, at_once: int = 1
) -> Generator[Result, None, None]:
    """Read files and do something with each, in threads, only as far ahead as these need.

    Args:
        files: the files.
        work: is given each with its bytes, or with the problem that kept them from being read; must be safe to call
            from several threads.
        remote: whether each read is a journey, so that many at once are quicker.
        workers: threads that work, 1 or more.
        at_once: files a thread is given at a time.

    Yields:
        What came of each file, in their order.

    Raises:
        UserError: a file changes while it is read, or a server stops answering.
    """
    if remote:
        with closing(_read_ahead(files)) as read:
            yield from ordered_map(work, read, workers=workers, at_once=at_once)
    else:
        yield from ordered_map(lambda file: work(_read(file)), files, workers=workers, at_once=at_once)


def _read_ahead(files: Iterable[PhotoFile]) -> Generator[AuditedFile, None, None]:
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
        return AuditedFile(read.file, audit_bytes(read.data), "", read.data, was_read=True)
    except UnreadableImage as reason:
        return AuditedFile(read.file, None, str(reason), read.data, was_read=True)


def _channel_means(image: Image.Image) -> tuple[float, float, float]:
    """Means of red, green and blue, on the scale 0..1."""
    averages = np.asarray(image.reduce(_MEANS_FACTOR))
    rows, columns = _pixels_behind(image.height), _pixels_behind(image.width)
    red, green, blue = columns @ (rows @ averages.reshape(len(rows), -1)).reshape(-1, 3)
    pixels = 255 * image.width * image.height
    return float(red) / pixels, float(green) / pixels, float(blue) / pixels


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
