"""The picture of a map: a photo as the network saw it, with what speaks for a class laid over it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from quality_gate.preprocess import PreprocessingSpec

# Places along an edge: single pixels of a finer map could not be seen.
_MOST_PLACES = 28

# From no evidence to the most: opacity over the grey photo, and colour (the upper half of matplotlib's inferno, which
# rises in lightness and can be read with any colour deficiency).
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_OPACITY = (0.0, 0.45, 0.65, 0.75, 0.8)
_COLOURS = ((87, 16, 110), (136, 34, 106), (203, 65, 73), (245, 125, 21), (252, 255, 164))


def overlay(pixels: NDArray[np.uint8], activation: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Lay what speaks for a class over a photo.

    The photo is made grey; places that speak against the class, or for nothing, stay grey, and the place that speaks
    most for it is the lightest. Every photo has a scale of its own. Of a map with a value for each pixel, neighbours
    are averaged first.

    Args:
        pixels: the photo as the network saw it, uint8, shape (S, S, 3).
        activation: map of any method, shape (h, w).

    Returns:
        uint8, shape (S, S, 3).
    """
    height, width = pixels.shape[:2]
    places = Image.fromarray(activation.astype(np.float32))
    if max(places.size) > _MOST_PLACES:
        places = places.resize(
            (min(places.width, _MOST_PLACES), min(places.height, _MOST_PLACES)), Image.Resampling.BOX
        )
    enlarged = places.resize((width, height), Image.Resampling.BICUBIC)
    evidence = np.asarray(enlarged).clip(0)
    strength = evidence / max(float(evidence.max()), np.finfo(np.float32).tiny)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float64)[..., None]
    colour = np.stack([np.interp(strength, _STEPS, channel) for channel in zip(*_COLOURS, strict=True)], axis=-1)
    opacity = np.interp(strength, _STEPS, _OPACITY)[..., None]
    result: NDArray[np.uint8] = (grey * (1 - opacity) + colour * opacity).round().astype(np.uint8)
    return result


def seen_pixels(tensor: NDArray[np.float32], spec: PreprocessingSpec) -> NDArray[np.uint8]:
    """Turn a network's input back into the photo as it was resized.

    Args:
        tensor: shape (3, S, S).
        spec: what it was normalised by.

    Returns:
        uint8, shape (S, S, 3).
    """
    levels = np.moveaxis(tensor, 0, -1) * np.asarray(spec.std) + np.asarray(spec.mean)
    pixels: NDArray[np.uint8] = (255 * levels).round().clip(0, 255).astype(np.uint8)
    return pixels


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture, uint8, shape (height, width, 3), without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
