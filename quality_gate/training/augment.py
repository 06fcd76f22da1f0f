"""Augmentation of training photos: mirror, tilt and colour, as a phone over a crate would vary them."""

from __future__ import annotations

import numpy as np
from PIL import Image

MAX_ROTATION_DEGREES = 15.0
COLOUR_JITTER = 0.2
HUE_JITTER = 0.03


def augment(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A randomly changed copy of an RGB photo of the same size.

    Mirrored with probability 1/2; rotated by at most 15°; brightness, contrast and saturation changed by at most 20%;
    hue by at most 3% of the colour circle.

    Args:
        image: the photo, already resized.
        rng: source of the randomness; an equal state gives an equal photo.
    """
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as transforms

    if rng.random() < 0.5:
        image = transforms.hflip(image)
    angle = rng.uniform(-MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES)
    image = transforms.rotate(image, angle, interpolation=InterpolationMode.BILINEAR)
    for adjust in (transforms.adjust_brightness, transforms.adjust_contrast, transforms.adjust_saturation):
        image = adjust(image, rng.uniform(1 - COLOUR_JITTER, 1 + COLOUR_JITTER))
    changed: Image.Image = transforms.adjust_hue(image, rng.uniform(-HUE_JITTER, HUE_JITTER))
    return changed
