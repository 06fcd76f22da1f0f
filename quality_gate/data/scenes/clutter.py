"""Flat and boxy things of the demo photos: price labels, leaves, boxes, bricks, bags, nets, crate rims."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from quality_gate.data.scenes.grounds import DYES, PLASTICS, WOODS
from quality_gate.data.scenes.painting import (
    Array,
    Colour,
    Form,
    Light,
    cast_shadow,
    fill,
    linear,
    smooth_noise,
    stroke,
    window_around,
)

Clutter = Callable[[Array, np.random.Generator, tuple[float, float, float], Light], None]

BRICKS: tuple[Colour, ...] = ((160, 74, 54), (178, 96, 70), (140, 60, 48))
LEAVES: tuple[Colour, ...] = ((84, 130, 52), (120, 160, 70), (52, 96, 44), (150, 172, 96), (160, 140, 70))
BOXES: tuple[Colour, ...] = ((190, 150, 106), (230, 226, 216), (200, 50, 40), (40, 90, 150), (232, 190, 60))


def _choice(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Array:
    return linear(colours[rng.integers(len(colours))]) * rng.uniform(0.8, 1.2, (3, 1, 1)).astype(np.float32)


def _lit(light: Light, facing: float = 1.0) -> Array:
    """Light on a flat thing that lies (1.0) or leans away from the lamp (less)."""
    return light.ambient * np.float32(0.85) + light.key * np.float32(light.direction[2] * facing)


def _placed(points: Array, place: tuple[float, float, float], turn: float) -> Array:
    """Points in units of the radius, turned and moved to their place."""
    x, y, radius = place
    cos, sin = np.cos(turn), np.sin(turn)
    turned = points @ np.array([[cos, sin], [-sin, cos]]) * radius + np.array([x, y])
    painted: Array = turned.astype(np.float32)
    return painted


def _rectangle(width: float, height: float) -> Array:
    return np.array([[-width, -height], [width, -height], [width, height], [-width, height]], dtype=np.float32)


def price_label(canvas: Array, rng: np.random.Generator, place: tuple[float, float, float], light: Light) -> None:
    """A card with a price, standing or lying, in a supermarket's or a market's colours."""
    x, y, radius = place
    paper = ((250, 248, 240), (250, 220, 60), (220, 40, 40), (30, 34, 32))[rng.integers(4)]
    ink = (20, 20, 24) if sum(paper) > 400 else (250, 245, 230)
    width = max(12, round(radius * 2.2))
    height = max(8, round(radius * rng.uniform(1.1, 1.6)))
    card = Image.new("RGBA", (width, height), (*paper, 255))
    pen = ImageDraw.Draw(card)
    price = f"{rng.integers(0, 9)}.{rng.integers(10, 99)}"
    pen.text((width * 0.08, height * 0.08), price, fill=ink, font=ImageFont.load_default(max(6, height * 0.6)))
    pen.line([(width * 0.1, height * 0.85), (width * rng.uniform(0.5, 0.9), height * 0.85)], fill=ink, width=1)
    turned = card.rotate(float(rng.normal(0, 14)), Image.Resampling.BICUBIC, expand=True)
    window = window_around(canvas.shape, x, y, max(turned.size))
    if window is None:
        return
    left, top = round(x - turned.width / 2), round(y - turned.height / 2)
    _, rows, columns = window
    crop = turned.crop((columns.start - left, rows.start - top, columns.stop - left, rows.stop - top))
    pixels = np.asarray(crop, dtype=np.float32).transpose(2, 0, 1) / np.float32(255.0)
    cast_shadow(canvas, Form(x, y, radius * 0.95, 0.7), light, 0.5)
    part = canvas[window]
    part += pixels[3] * (np.square(pixels[:3]) * _lit(light, rng.uniform(0.6, 1.0)) - part)


def leaf(canvas: Array, rng: np.random.Generator, place: tuple[float, float, float], light: Light) -> None:
    """A single leaf with veins, wide like cabbage or narrow like leek."""
    turn, width, frill = rng.uniform(0, 6.28), rng.uniform(0.25, 0.8), rng.uniform(0.0, 0.12)
    along = np.linspace(0.0, np.pi, 22, dtype=np.float32)
    edge = width * np.abs(np.sin(along)) ** 0.8 * (1 + frill * np.sin(along * 13))
    spine = -np.cos(along) * 1.2
    bend = np.float32(rng.uniform(-0.4, 0.4)) * np.square(spine)
    rim = np.concatenate([np.stack([spine, bend + edge], 1), np.stack([spine, bend - edge], 1)[::-1]])
    cast_shadow(canvas, Form(place[0], place[1], place[2] * width**0.5, 1.2 / width, turn + 1.57), light, 0.7)
    colour = _choice(rng, LEAVES) * _lit(light)
    relief = 1.0 + 0.35 * smooth_noise(rng, canvas.shape[1:], (14, 14), 2)
    fill(canvas, _placed(rim, place, turn), colour, texture=relief)
    middle = np.stack([spine, bend], 1)
    veins = [_placed(middle, place, turn)]
    for step in range(4, 19, 3):
        for sign in (-0.8, 0.8):
            far = np.array([spine[step] + 0.25, bend[step] + sign * edge[step]], dtype=np.float32)
            veins.append(_placed(np.stack([middle[step], far]), place, turn))
    stroke(canvas, veins, max(0.6, place[2] * 0.05), colour * 1.6 + np.float32(0.02), 0.6)


def _block(
    canvas: Array,
    rng: np.random.Generator,
    place: tuple[float, float, float],
    light: Light,
    paint: Array,
    rough: float,
) -> Array:
    """A cuboid seen from above and in front; returns the corners of its upper face."""
    turn = float(rng.normal(0, 0.5))
    upper = _placed(_rectangle(1.0, rng.uniform(0.4, 0.75)), place, turn)
    drop = np.array([0.0, place[2] * rng.uniform(0.3, 0.7)], dtype=np.float32)
    x, y = upper.mean(axis=0) + drop * 0.7
    cast_shadow(canvas, Form(float(x), float(y), place[2] * 1.05, 0.75, turn), light, 0.9)
    grain = 1.0 + rough * smooth_noise(rng, canvas.shape[1:], (60, 60), 2)
    for first, second, face in ((1, 2, 0.45), (3, 0, 0.6), (2, 3, 0.75)):
        side = np.stack([upper[first], upper[second], upper[second] + drop, upper[first] + drop])
        fill(canvas, side, paint * _lit(light, face) * np.float32(face), texture=grain)
    fill(canvas, upper, paint * _lit(light), texture=grain)
    return upper


def box(canvas: Array, rng: np.random.Generator, place: tuple[float, float, float], light: Light) -> None:
    """A carton with a printed field and a strip of tape."""
    upper = _block(canvas, rng, place, light, _choice(rng, BOXES), 0.05)
    middle = upper.mean(axis=0)
    fill(
        canvas,
        middle + (upper - middle) * np.float32(rng.uniform(0.3, 0.7)),
        _choice(rng, DYES) * _lit(light),
        0.8,
    )
    stroke(canvas, [np.stack([upper[0] + upper[3], upper[1] + upper[2]]) / 2], place[2] * 0.12, _lit(light) * 0.6)


def brick(canvas: Array, rng: np.random.Generator, place: tuple[float, float, float], light: Light) -> None:
    """A rough red brick."""
    _block(canvas, rng, place, light, _choice(rng, BRICKS), 0.25)


def bag(canvas: Array, rng: np.random.Generator, place: tuple[float, float, float], light: Light) -> None:
    """A crumpled thin plastic or paper bag that lets a little of what is below show through."""
    angle = np.linspace(0, 6.28, 18, endpoint=False)
    edge = rng.uniform(0.75, 1.15, 18)
    corners = np.stack([np.cos(angle) * edge, np.sin(angle) * edge * rng.uniform(0.6, 1.0)], 1).astype(np.float32)
    cast_shadow(canvas, Form(place[0], place[1], place[2]), light, 0.6)
    folds = smooth_noise(rng, canvas.shape[1:], (9, 9), 2)
    crumple = 0.8 + 0.5 * np.abs(folds)
    paint = _choice(rng, ((235, 235, 235), (220, 225, 230), (196, 160, 116), (60, 110, 70))) * _lit(light)
    fill(canvas, _placed(corners, place, rng.uniform(0, 6.28)), paint, rng.uniform(0.75, 0.95), crumple)


def net(canvas: Array, rng: np.random.Generator, place: tuple[float, float, float], light: Light) -> None:
    """The meshes of a net bag, drawn over whatever lies there."""
    turn = float(rng.uniform(0, 3.14))
    paint = _choice(rng, ((214, 60, 40), (236, 140, 40), (230, 200, 70), (230, 230, 225), (60, 130, 70))) * _lit(light)
    cells = int(rng.integers(7, 13))
    threads = []
    for step in np.linspace(-1.0, 1.0, cells):
        half = np.sqrt(max(0.0, 1.0 - step * step))
        along = np.linspace(-half, half, 9)
        wave = step + 0.04 * np.sin(along * 9 + step * 7)
        threads.append(_placed(np.stack([along, wave], 1), place, turn))
        threads.append(_placed(np.stack([wave, along], 1), place, turn))
    stroke(canvas, threads, max(0.5, place[2] * 0.025), paint, 0.85)


def crate_rim(canvas: Array, rng: np.random.Generator, light: Light, *, front: bool) -> None:
    """Slats of a crate along one (front) or several edges of the picture."""
    size = canvas.shape[1]
    paint = _choice(rng, WOODS + PLASTICS)
    for side in range(4):
        if rng.random() < (0.75 if front else 0.5):
            continue
        depth = float(rng.uniform(0.04, 0.13)) * size
        place = (size / 2, depth * float(rng.uniform(0.2, 1.0)), size * 0.75)
        slat = _placed(_rectangle(1.0, depth / place[2]), place, float(rng.normal(0, 0.05)))
        turned = slat[:, ::-1] if side % 2 else slat
        corners = np.float32(size) - turned if side > 1 else turned
        grain = 1.0 + 0.15 * smooth_noise(rng, (size, size), (50, 4) if side % 2 == 0 else (4, 50), 2)
        offset = np.array(light.direction[:2], dtype=np.float32) * np.float32(-0.03 * size)
        fill(canvas, corners + offset, linear((0, 0, 0)), 0.45)
        fill(canvas, corners, paint * _lit(light, rng.uniform(0.5, 1.0)), texture=grain)


LYING: tuple[Clutter, ...] = (price_label, leaf, leaf, box, brick, bag)
COVERING: tuple[Clutter, ...] = (price_label, leaf, leaf, bag, net, net)
