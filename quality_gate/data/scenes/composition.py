"""From a label to a photo: light, ground, where everything lies, and the camera."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageFilter

from quality_gate.data.scenes.clutter import COVERING, LYING, crate_rim
from quality_gate.data.scenes.goods import ONION, OTHERS, POTATO, TOMATO, Variety, paint_item
from quality_gate.data.scenes.grounds import NEW_GROUNDS, USUAL_GROUNDS, photographed_ground
from quality_gate.data.scenes.painting import Array, Light, display_photo, photo_to_canvas, smooth_noise

GOODS: Mapping[str, Variety] = MappingProxyType({"onion": ONION, "potato": POTATO, "tomato": TOMATO})


def lamp_light(rng: np.random.Generator) -> Light:
    """A lamp somewhere above, from cold shade to warm bulb, now and then through a coloured awning."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 1.3)
    direction = (
        float(np.cos(azimuth) * np.cos(height)),
        float(np.sin(azimuth) * np.cos(height)),
        float(np.sin(height)),
    )
    warm = rng.normal(0.0, 0.08)
    colour = np.array([1.0 + warm, 1.0 + rng.normal(0, 0.04), 1.0 - warm * 1.2])
    if rng.random() < 0.12:
        colour *= rng.uniform(0.7, 1.3, 3)
    sky = colour ** rng.uniform(0.0, 1.0)
    hardness = rng.uniform(0.35, 0.85)
    key, ambient = 1.25 * hardness * colour, 0.95 * (1.0 - hardness) * sky + 0.06
    lamp, around = (gains.clip(0.05).astype(np.float32).reshape(3, 1, 1) for gains in (key, ambient))
    return Light(direction, lamp, around)


def lit_ground(rng: np.random.Generator, size: int, light: Light, *, new_background: bool) -> Array:
    """The empty scene: a ground of the usual family, or of the one kept apart, in that light."""
    family = NEW_GROUNDS if new_background else USUAL_GROUNDS
    lean, roll = float(rng.uniform(0.0, 1.0)), float(rng.choice([0, np.pi / 2]) + rng.normal(0, 0.25))
    ground = photographed_ground(rng, size, lean, roll, family=family)
    return ground * (light.ambient * np.float32(0.85) + light.key * np.float32(light.direction[2]))


def arrange(canvas: Array, rng: np.random.Generator, label: str, light: Light) -> None:
    """Put everything on the ground, back to front: rim, clutter, goods, what covers them."""
    size = canvas.shape[1]
    if rng.random() < 0.35:
        crate_rim(canvas, rng, light, front=False)
    for _ in range(rng.integers(0, 3)):
        _lay_clutter(canvas, rng, light)
    if rng.random() < 0.3:
        _lose_focus(canvas, float(rng.uniform(0.003, 0.012)) * size)
    variety = GOODS.get(label) or list(OTHERS.values())[rng.integers(len(OTHERS))]
    places = _places(rng, size, int(rng.integers(1, 9)))
    _lay_goods(canvas, rng, variety, places, light)
    for _ in range(rng.integers(0, 3)):
        _lay_clutter(canvas, rng, light)
    if rng.random() < 0.5:
        x, y, radius = places[rng.integers(len(places))]
        away = rng.uniform(0, 2 * np.pi)
        spot = (x + radius * np.cos(away), y + radius * np.sin(away), radius * rng.uniform(0.6, 1.1))
        COVERING[rng.integers(len(COVERING))](canvas, rng, spot, light)
    if rng.random() < 0.25:
        crate_rim(canvas, rng, light, front=True)


def _places(rng: np.random.Generator, size: int, count: int) -> list[tuple[float, float, float]]:
    """Centres and radii of the goods: a loose heap, smaller the more there are, nearer ones larger."""
    radius = float(np.clip(0.55 / math.sqrt(count + 0.6) * rng.uniform(0.65, 1.0), 0.11, 0.33))
    middle, spread = rng.uniform(0.36, 0.64, 2), radius * math.sqrt(count) * 0.85
    near = float(rng.uniform(0.0, 0.5))
    chosen: list[tuple[float, float, float]] = []
    for _ in range(count):
        tries = np.clip(middle + rng.normal(0, spread, (10, 2)), 0.14, 0.86)
        gaps = [min((math.hypot(x - a, y - b) for a, b, _ in chosen), default=1.0) for x, y in tries]
        fits = [index for index, gap in enumerate(gaps) if gap > 1.5 * radius]
        x, y = tries[fits[0] if fits else int(np.argmax(gaps))]
        chosen.append((float(x), float(y), radius * float(rng.uniform(0.85, 1.15)) * (1 + near * (y - 0.5))))
    return [(x * size, y * size, r * size) for x, y, r in sorted(chosen, key=lambda place: place[1])]


def _lay_goods(
    canvas: Array,
    rng: np.random.Generator,
    variety: Variety,
    places: list[tuple[float, float, float]],
    light: Light,
) -> None:
    """Lay the goods; most heaps are of one skin colour."""
    skin, mixed = _skin(rng, variety), rng.random() < 0.2
    for place in places:
        paint_item(canvas, rng, variety, _skin(rng, variety) if mixed else skin, place, light)


def _skin(rng: np.random.Generator, variety: Variety) -> int:
    """A skin of the variety, the first ones more often: red tomatoes outnumber green ones."""
    return int(len(variety.skins) * rng.random() ** 3)


def _lay_clutter(canvas: Array, rng: np.random.Generator, light: Light) -> None:
    """Lay one thing, or a few alike, towards the rim of the picture."""
    size = canvas.shape[1]
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.36, 0.55)
    x, y = (0.5 + away * np.cos(angle)) * size, (0.5 + away * np.sin(angle)) * size
    radius = float(rng.uniform(0.07, 0.16)) * size
    if rng.random() < 0.4:
        LYING[rng.integers(len(LYING))](canvas, rng, (x, y, radius), light)
        return
    variety = list(OTHERS.values())[rng.integers(len(OTHERS))]
    steps = rng.normal(0, 1.3 * radius, (rng.integers(1, 4), 2))
    places = sorted(((x + dx, y + dy, radius) for dx, dy in steps), key=lambda place: place[1])
    _lay_goods(canvas, rng, variety, places, light)


def _lose_focus(canvas: Array, sigma: float) -> None:
    """Blur what has been painted so far, as a lens does with what lies behind."""
    photo = display_photo(np.sqrt(canvas))
    half = photo.reduce(2).filter(ImageFilter.GaussianBlur(sigma / 2))
    canvas[...] = photo_to_canvas(half.resize(photo.size, Image.Resampling.BILINEAR))


def develop(
    canvas: Array, lamp: np.random.Generator, camera: np.random.Generator, gains: Sequence[float], blur: float
) -> bytes:
    """From light on the scene to a JPEG file: uneven light, exposure, noise of the sensor, lens.

    `gains` multiply the display values of red, green and blue; `blur` is a standard deviation in pixels.
    """
    size = canvas.shape[1]
    cloud = smooth_noise(lamp, (size, size), (2, 2)) * np.float32(lamp.uniform(0.1, 0.45))
    if lamp.random() < 0.25:
        bands = smooth_noise(lamp, (size, size), (3, 4), 2)
        cloud -= np.clip(bands * 5, 0.0, 1.0) * np.float32(lamp.uniform(0.2, 0.5))
    canvas *= np.maximum(1.0 + cloud, 0.15) * np.float32(camera.uniform(0.95, 1.6))
    # A soft shoulder keeps highlights from clipping into flat patches.
    shown = np.sqrt(canvas / (1.0 + np.float32(0.28) * canvas))
    shown *= np.asarray(gains, dtype=np.float32).reshape(3, 1, 1)
    # JPEG throws most colour noise away, so the sensor's is grey and costs a third.
    grain = camera.standard_normal((size, size), dtype=np.float32)
    shown += grain * np.float32(camera.uniform(1.0, 7.0) / 255.0)
    picture = display_photo(shown)
    lens = float(camera.uniform(-0.0032, 0.0032)) * size
    sigma = math.hypot(max(lens, 0.0), blur)
    if sigma > 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(sigma))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(camera.integers(55, 96)))
    return file.getvalue()
