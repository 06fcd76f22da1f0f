"""The one way from the bytes of a photo to the tensor a network sees, in training and in serving.

Only numpy and Pillow are imported, so that the serving image needs no torch, and one resizer (Pillow's) is used
everywhere: resizers of different libraries differ by more grey levels than a model forgives.
"""

import hashlib
import io
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP")
MAX_PIXELS = 50_000_000

# A progressive JPEG has about ten scans, each of which passes over all pixels. A megabyte can hold fifty thousand that
# say nothing: hours of decoding.
MAX_SCANS = 100

View = Literal["crop", "squash", "letterbox", "crop_mirrored", "squash_mirrored", "letterbox_mirrored"]
VIEWS: tuple[View, ...] = get_args(View)

UPRIGHT_BY_ORIENTATION: Mapping[int, Image.Transpose] = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)

_SIDEWAYS = frozenset(
    {Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90}
)

# What a JPEG decoder can divide the edges of a picture by, at a fraction of the work.
_REDUCTIONS = (8, 4, 2)

# Photos of the field are cropped from a slightly larger picture: 224 of 256, the ratio the backbones were trained with.
CROP_RATIO = 224 / 256


class UnreadableImage(ValueError):
    """A photo that cannot be used; the message is the reason, fit to be shown to a person."""


@dataclass(frozen=True)
class PreprocessingSpec:
    """How a decoded photo becomes a tensor; travels inside the model.

    Attributes:
        size: edge of the square input, in pixels.
        views: the ways a photo is brought to that size; the network answers each and the answers are averaged.
            ``crop`` scales the shorter edge to ``size / CROP_RATIO`` and takes the centre, ``squash`` ignores the
            aspect ratio, ``letterbox`` keeps it and pads with the mean colour; ``_mirrored``: left and right changed.
        mean: channel means (red, green, blue), in 0..1.
        std: channel standard deviations, in 0..1, above 0.

    Raises:
        ValueError: a value is out of its range.
    """

    size: int
    views: tuple[View, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 2048:
            raise ValueError(f"preprocessing size is {self.size}; expected 8 to 2048 pixels")
        if not self.views or len(set(self.views)) < len(self.views) or not set(self.views) <= set(VIEWS):
            raise ValueError(f"preprocessing views are {self.views!r}; expected different ones of {', '.join(VIEWS)}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("preprocessing mean and std need three values each, and every std above 0")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the spec: equal digests mean equal tensors."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "PreprocessingSpec":
        """Rebuild a spec from :meth:`to_json`.

        Raises:
            ValueError: a value is out of its range.
        """
        return cls(values["size"], tuple(values["views"]), tuple(values["mean"]), tuple(values["std"]))


def decode(
    data: bytes, *, formats: tuple[str, ...] = FORMATS, max_pixels: int = MAX_PIXELS, edge: int | None = None
) -> Image.Image:
    """Decode the bytes of a photo to upright RGB.

    The EXIF orientation is applied; palette, grey, CMYK and transparent photos become RGB (transparency over white).
    Colour profiles are passed over: the numbers are taken as they are stored, as sRGB, in training and serving alike.
    Photos of 16 bits a channel are refused, because nothing in them says how much of the range they use: of a camera
    of 12 bits only 16 levels would be left.

    Args:
        data: the encoded photo.
        formats: Pillow format names that are accepted.
        max_pixels: most pixels a photo may have; checked before they are decoded.
        edge: pixels of the longest edge that are enough to measure: JPEG is decoded reduced by :func:`reduction`, and
            where it surely holds luma and chroma these are left as they are. That reads the whole file all the same,
            and so finds whatever is wrong with it. None: all pixels.

    Returns:
        An RGB image, of many JPEG a YCbCr one where an ``edge`` was given. Its ``format`` attribute and
        ``info["mode"]`` keep what the file was, ``info["size"]`` its width and height, upright.

    Raises:
        UnreadableImage: the bytes are no whole, single, 8-bit photo of an accepted format within the limit.
    """
    if not data:
        raise UnreadableImage("the file is empty")
    _silence_pillow()
    image = _open(data, formats, max_pixels)
    _check_header(image, data, max_pixels)
    mode, (width, height) = image.mode, image.size
    try:
        if edge is not None:
            factor = reduction(image.size, edge)
            colours = "YCbCr" if _is_jfif(image) else None
            image.draft(colours, (max(1, width // factor), max(1, height // factor)))
        image.load()
        turn = UPRIGHT_BY_ORIENTATION.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        # Not ImageOps.exif_transpose: it writes the EXIF back, which fails on some that cameras write.
        decoded = _in_colours(image if turn is None else image.transpose(turn))
    except Exception as error:
        raise UnreadableImage(f"damaged or truncated ({error})") from None
    decoded.format = "JPEG" if image.format == "MPO" else image.format
    decoded.info = {"mode": mode, "size": (height, width) if turn in _SIDEWAYS else (width, height)}
    return decoded


def reduction(size: tuple[int, int], edge: int) -> int:
    """By what of 8, 4, 2 and 1 both edges can be divided so that the longest keeps ``edge`` pixels."""
    return next((factor for factor in _REDUCTIONS if max(size) >= factor * edge), 1)


def _is_jfif(image: Image.Image) -> bool:
    """Whether a JPEG says that its colours are luma and chroma (ITU-T T.871, 10.1); others may be red, green, blue."""
    segments = getattr(image, "applist", [])
    return any(name == "APP0" and data[:5] == b"JFIF\0" and len(data) >= 14 for name, data in segments)


def _silence_pillow() -> None:
    """Put the filter that ignores Pillow's warnings before all others, unless it is there.

    Pillow warns of bombs, which are refused here by their size, and of odd EXIF, which harms no pixel. The filter
    stays: photos are decoded in threads, and filters that are put in and taken out by several threads get lost.
    """
    ignore = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
    if warnings.filters[:1] != [ignore]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _open(data: bytes, formats: tuple[str, ...], max_pixels: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        raise UnreadableImage(f"not a photo in one of the formats {', '.join(formats)}") from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"more than the {max_pixels:,} pixels that are accepted") from None
    except Exception as error:
        raise UnreadableImage(f"the header cannot be read ({error})") from None


def _check_header(image: Image.Image, data: bytes, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise UnreadableImage(f"{width}×{height} pixels; at most {max_pixels:,} are accepted")
    frames = getattr(image, "n_frames", 1)
    # Some phones add a second, smaller picture to a JPEG; the first is the photo.
    if frames > 1 and image.format != "MPO":
        raise UnreadableImage(f"animated ({frames} frames); a single photo is expected")
    # Pillow reads colours of 16 bits as their high bytes and does not tell; in a PNG the depth is byte 24.
    if image.mode.startswith(("I", "F")) or (image.format == "PNG" and data[24] > 8):
        raise UnreadableImage(f"more than 8 bits a channel (mode {image.mode}); convert it to 8 bits")
    if image.format in ("JPEG", "MPO") and _has_too_many_scans(data):
        raise UnreadableImage(f"more than {MAX_SCANS} scans; save it again as an ordinary JPEG")


def _has_too_many_scans(jpeg: bytes) -> bool:
    """Whether a JPEG has more than ``MAX_SCANS`` scans before its end (ITU-T T.81, B.1.1)."""
    # What follows the end, such as the film of a "motion photo", has these bytes by chance.
    # For so short a pattern this takes a third of the time of bytes.count.
    octets = np.frombuffer(jpeg, dtype=np.uint8)
    if np.count_nonzero((octets[:-1] == 0xFF) & (octets[1:] == 0xDA)) <= MAX_SCANS:
        return False
    marker = re.compile(rb"\xff[^\x00\xff\xd0-\xd8]")
    scans, place = 0, 0
    while scans <= MAX_SCANS and (found := marker.search(jpeg, place)) and found[0] != b"\xff\xd9":
        scans += found[0] == b"\xff\xda"
        place = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")
    return scans > MAX_SCANS


def _in_colours(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    # For RGB, convert copies the pixels, which takes as long as decoding them.
    return image._new(image.im) if image.mode in ("RGB", "YCbCr") else image.convert("RGB")


def make_view(image: Image.Image, view: View, spec: PreprocessingSpec) -> Image.Image:
    """Bring an RGB image to ``spec.size`` × ``spec.size`` in one way; ``PreprocessingSpec.views`` says what each is."""
    target = (spec.size, spec.size)
    way = view.removesuffix("_mirrored")
    if way == "squash":
        made = image.resize(target, Image.Resampling.BICUBIC)
    elif way == "letterbox":
        padding = tuple(round(255 * mean) for mean in spec.mean)
        made = ImageOps.pad(image, target, Image.Resampling.BICUBIC, color=padding)
    else:
        width, height = image.size
        edge = min(width, height) * CROP_RATIO
        left, top = (width - edge) / 2, (height - edge) / 2
        made = image.resize(target, Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))
    return made if way == view else ImageOps.mirror(made)


def normalise(pixels: NDArray[np.uint8], spec: PreprocessingSpec) -> NDArray[np.float32]:
    """Turn 8-bit pixels into the network's input.

    Args:
        pixels: uint8, shape (..., height, width, 3), in 0..255.
        spec: the means and standard deviations.

    Returns:
        float32, shape (..., 3, height, width), C-contiguous.
    """
    scale = np.float32(1) / (np.float32(255) * np.asarray(spec.std, dtype=np.float32))
    shift = np.asarray(spec.mean, dtype=np.float32) / np.asarray(spec.std, dtype=np.float32)
    # Planes first: numpy is ten times slower where the innermost axis has only the three channels.
    planes = np.ascontiguousarray(np.moveaxis(pixels, -1, -3)) * scale[:, None, None]
    planes -= shift[:, None, None]
    return planes


def preprocess(data: bytes, spec: PreprocessingSpec) -> NDArray[np.float32]:
    """Turn the bytes of one photo into the network's input: decode, make the views, normalise.

    Returns:
        float32, shape (views, 3, size, size).

    Raises:
        UnreadableImage: the bytes cannot be used; the message says why.
    """
    return prepare(decode(data), spec)


def prepare(image: Image.Image, spec: PreprocessingSpec) -> NDArray[np.float32]:
    """The network's input of a decoded photo; what :func:`preprocess` does once it has decoded.

    Returns:
        float32, shape (views, 3, size, size).
    """
    return normalise(np.stack([np.asarray(make_view(image, view, spec)) for view in spec.views]), spec)
