"""Brush work for the demo photos: noise, light, round bodies, flat shapes.

A canvas is a float32 array of shape (3, height, width) in *linear* light, where 1.0 is a white surface in
full light; a colour is an array of shape (3, 1, 1). The channel comes first because NumPy is several times
faster so. Lengths are pixels, x to the right, y downwards and z towards the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.floating[Any]]
Colour = tuple[int, int, int]
Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Light:
    """One lamp and the sky: unit vector towards the lamp, RGB gains of lamp and sky."""

    direction: tuple[float, float, float]
    key: Array
    ambient: Array


@dataclass(frozen=True)
class Form:
    """A round body on the canvas.

    `radius` is that of a disc of equal area; `aspect` is length along the body's axis over its width;
    `turn` (radians) rotates the axis in the picture, `tilt` (radians) leans its upper end to the camera.
    `lumps` makes the outline uneven, `lobes` are (count, depth) of ribs along the axis, `neck` and `tail`
    draw the upper and lower end out to a tip, `bump` is (cells across the body, depth) of surface relief.
    """

    x: float
    y: float
    radius: float
    aspect: float = 1.0
    turn: float = 0.0
    tilt: float = 0.0
    lumps: float = 0.0
    lobes: tuple[int, float] = (0, 0.0)
    neck: float = 0.0
    tail: float = 0.0
    bump: tuple[int, float] = (0, 0.0)


@dataclass(frozen=True)
class Surface:
    """The visible half of a `Form`: per pixel opacity, normal, and place on the body.

    `u`, `v` lie in -1..1 inside the outline; `polar` is the angle from the upper end of the axis and
    `around` the angle about it (radians).
    """

    window: Window
    form: Form
    alpha: Array
    normal: tuple[Array, Array, Array]
    u: Array
    v: Array
    polar: Array
    around: Array


def linear(colour: Colour) -> Array:
    """Turn a display colour (0..255) into linear light; gamma 2 is close enough and cheap."""
    painted: Array = np.square(np.asarray(colour, dtype=np.float32) / np.float32(255.0)).reshape(3, 1, 1)
    return painted


def photo_to_canvas(photo: Image.Image) -> Array:
    """Linear light of an RGB picture."""
    painted: Array = np.square(np.asarray(photo).transpose(2, 0, 1).astype(np.float32, order="C") / np.float32(255.0))
    return painted


def display_photo(shown: Array) -> Image.Image:
    """RGB picture of display values (0..1), channel first; what lies outside is clipped."""
    levels = np.clip(shown * np.float32(255.0), 0.0, 255.0).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(levels.transpose(1, 2, 0)))


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int = 1) -> Array:
    """Cloudy noise, about -1..1, with `cells` (down, across) bumps in its coarsest layer."""
    total = np.zeros(shape, dtype=np.float32)
    weight = 1.0
    for octave in range(octaves):
        grid = (max(2, cells[0] << octave), max(2, cells[1] << octave))
        knots = rng.uniform(-1.0, 1.0, grid).astype(np.float32)
        picture = Image.fromarray(knots).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
        total += np.float32(weight) * np.asarray(picture)
        weight *= 0.55
    return total


def window_around(shape: tuple[int, ...], x: float, y: float, reach: float) -> Window | None:
    """The part of the canvas within `reach` of a point, or None when it lies outside the canvas."""
    top, bottom = max(0, int(y - reach)), min(shape[1], int(y + reach) + 2)
    left, right = max(0, int(x - reach)), min(shape[2], int(x + reach) + 2)
    if top >= bottom or left >= right:
        return None
    return slice(None), slice(top, bottom), slice(left, right)


def _offsets(window: Window, form: Form) -> tuple[Array, Array, float, float]:
    """Pixel places in the body's own frame, in units of its half-width and half-length."""
    _, rows, columns = window
    dy = (np.arange(rows.start, rows.stop, dtype=np.float32) - np.float32(form.y))[:, None]
    dx = (np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(form.x))[None, :]
    seen = float(np.hypot(form.aspect * np.cos(form.tilt), np.sin(form.tilt)))
    half_width, half_length = seen**-0.5, seen**0.5
    cos, sin = np.float32(np.cos(form.turn)), np.float32(np.sin(form.turn))
    u = (dx * cos + dy * sin) / np.float32(form.radius * half_width)
    v = (dy * cos - dx * sin) / np.float32(form.radius * half_length)
    return u, v, half_width, half_length


def _outline(rng: np.random.Generator, form: Form, angle: Array) -> Array:
    """Distance of the outline from the centre by angle from the upper end of the axis."""
    edge = np.ones_like(angle)
    if form.lumps:
        for wave in (2, 3, 4, 5):
            size = np.float32(form.lumps * rng.uniform(0.3, 1.0) / wave**0.5)
            edge += size * np.cos(wave * angle + np.float32(rng.uniform(0, 6.28)))
    upright = np.float32(max(0.0, np.cos(form.tilt)))
    if form.neck:
        edge += np.float32(form.neck) * upright * np.exp(-np.square(angle / np.float32(0.27)))
    if form.tail:
        edge += np.float32(form.tail) * upright * np.exp(-np.square((np.abs(angle) - np.pi) / 0.27))
    if form.lobes[0]:
        edge += np.float32(form.lobes[1] * np.sin(form.tilt) ** 2) * np.cos(form.lobes[0] * angle)
    return edge


def round_body(shape: tuple[int, ...], rng: np.random.Generator, form: Form) -> Surface | None:
    """Geometry of a body seen by the camera, or None when it lies outside the canvas."""
    reach = form.radius * (max(form.aspect, 1.0) ** 0.5) * (1.1 + form.lumps + max(form.neck, form.tail))
    window = window_around(shape, form.x, form.y, reach)
    if window is None:
        return None
    u, v, half_width, half_length = _offsets(window, form)
    edge = _outline(rng, form, np.arctan2(u, -v))
    distance = np.sqrt(u * u + v * v) / edge
    alpha = np.clip((1.0 - distance) * np.float32(form.radius * half_width) + 0.5, 0.0, 1.0)
    inside = np.minimum(distance, 1.0)
    shrink = inside / np.maximum(distance * edge, 1e-4)
    x, y = u * shrink, v * shrink
    z = np.sqrt(1.0 - inside * inside)
    sin, cos = np.float32(np.sin(form.tilt)), np.float32(np.cos(form.tilt))
    height = np.clip(z * sin - y * cos, -1.0, 1.0)
    polar, around = np.arccos(height), np.arctan2(z * cos + y * sin, x)
    nx, ny, nz = x / np.float32(half_width), y / np.float32(half_length), z + np.float32(0.02)
    if form.lobes[0]:
        rib = np.float32(form.lobes[0] * form.lobes[1]) * np.sin(form.lobes[0] * around)
        nx = nx - rib * np.sin(around)
        ny = ny + rib * np.cos(around) * sin
        nz = nz + rib * np.cos(around) * cos
    if form.bump[0]:
        relief = smooth_noise(rng, alpha.shape, (form.bump[0], form.bump[0]), 2)
        slope = np.float32(form.bump[1] * form.radius)
        nx[:, 1:] -= slope * np.diff(relief, axis=1)
        ny[1:] -= slope * np.diff(relief, axis=0)
    turn_cos, turn_sin = np.float32(np.cos(form.turn)), np.float32(np.sin(form.turn))
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
    normal = ((nx * turn_cos - ny * turn_sin) * scale, (nx * turn_sin + ny * turn_cos) * scale, nz * scale)
    return Surface(window, form, alpha, normal, x, y, polar, around)


def shade(canvas: Array, body: Surface, albedo: Array, light: Light, gloss: float, sharpness: float) -> None:
    """Paint a body: lamp, sky, dark underside, and a highlight of strength `gloss` (0..1)."""
    nx, ny, nz = body.normal
    lx, ly, lz = (np.float32(part) for part in light.direction)
    facing = np.maximum(0.0, nx * lx + ny * ly + nz * lz)
    # Light from below is only what the ground throws back, which is what makes a body sit on it.
    sky = np.maximum(0.1, 0.30 + 0.55 * nz - 0.15 * ny)
    length = np.sqrt(lx * lx + ly * ly + (lz + 1.0) ** 2)
    mirror = np.maximum(0.0, (nx * lx + ny * ly + nz * (lz + 1.0)) / length)
    shine = np.float32(gloss) * mirror ** np.float32(sharpness)
    colour = np.maximum(albedo, np.float32(0.003)) * (light.ambient * sky + light.key * facing) + shine * light.key
    part = canvas[body.window]
    part += body.alpha * (colour - part)


def cast_shadow(canvas: Array, form: Form, light: Light, strength: float) -> None:
    """Darken the ground: a tight dark rim where the body stands and a soft shadow away from the lamp."""
    lx, ly, lz = light.direction
    throw = min(0.9, 0.45 / max(lz, 0.2)) * form.radius
    reach = form.radius * max(form.aspect, 1.0) ** 0.5 * 1.5 + throw
    window = window_around(canvas.shape, form.x - lx * throw * 0.5, form.y - ly * throw * 0.5, reach)
    if window is None:
        return
    kept: Array = np.ones(1, dtype=np.float32)
    for shift, softness, dark in ((0.12, 0.28, 0.75), (1.0, 0.55, 0.55)):
        x, y = form.x - lx * throw * shift, form.y - ly * throw * shift + 0.06 * form.radius
        u, v, _, _ = _offsets(window, Form(x, y, form.radius, form.aspect, form.turn, form.tilt))
        fade = np.clip((1.0 + softness - np.sqrt(u * u + v * v)) / np.float32(2 * softness), 0.0, 1.0)
        kept = kept * (1.0 - np.float32(strength * dark) * fade * fade * (3.0 - 2.0 * fade))
    canvas[window] *= kept


def _mask(shape: tuple[int, ...], shapes: Sequence[Array], width: float | None) -> tuple[Window, Array] | None:
    """Antialiased cover of polygons (width None) or of lines of that width, in the smallest window."""
    points = np.concatenate(shapes)
    pad = 2.0 + (width or 0.0)
    left, top = np.maximum(0, (points.min(axis=0) - pad).astype(int))
    right, bottom = np.minimum((shape[2], shape[1]), (points.max(axis=0) + pad + 1).astype(int))
    if left >= right or top >= bottom:
        return None
    picture = Image.new("L", (int(right - left) * 2, int(bottom - top) * 2))
    pen = ImageDraw.Draw(picture)
    for corners in shapes:
        path = [(float(px - left) * 2, float(py - top) * 2) for px, py in corners]
        if width is None:
            pen.polygon(path, fill=255)
        else:
            pen.line(path, fill=255, width=max(1, round(width * 2)), joint="curve")
    cover = np.asarray(picture.reduce(2), dtype=np.float32) / np.float32(255.0)
    return (slice(None), slice(int(top), int(bottom)), slice(int(left), int(right))), cover


def fill(canvas: Array, corners: Array, colour: Array, opacity: float = 1.0, texture: Array | None = None) -> None:
    """Fill a polygon (n, 2) with a linear colour; `texture`, (height, width), multiplies the colour."""
    masked = _mask(canvas.shape, [corners], None)
    if masked is None:
        return
    window, cover = masked
    paint = colour if texture is None else colour * np.maximum(texture[window[1:]], np.float32(0.1))
    part = canvas[window]
    part += cover * np.float32(opacity) * (paint - part)


def stroke(canvas: Array, paths: Sequence[Array], width: float, colour: Array, opacity: float = 1.0) -> None:
    """Draw lines, each (n, 2), of `width` pixels in a linear colour; thin lines fade, not vanish."""
    masked = _mask(canvas.shape, paths, width)
    if masked is None:
        return
    window, cover = masked
    part = canvas[window]
    part += cover * np.float32(opacity * min(1.0, width * 2)) * (colour - part)
