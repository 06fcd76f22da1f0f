"""What the goods of a demo photo lie on: crates, cloth, steel, wood, cardboard, soil, and a family kept apart.

Every ground is painted flat in display colours (0..1), channel first, then seen by a tilted camera in
`photographed_ground`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from quality_gate.data.scenes.painting import Array, Colour, photo_to_canvas, smooth_noise

Ground = Callable[[np.random.Generator, int], Array]

WOODS: tuple[Colour, ...] = ((150, 110, 70), (186, 150, 104), (110, 80, 56), (205, 180, 140), (128, 116, 104))
DYES: tuple[Colour, ...] = (
    (160, 52, 48), (180, 124, 70), (70, 100, 70), (72, 86, 122), (225, 220, 205),
    (120, 90, 68), (104, 70, 98), (204, 182, 112), (40, 42, 46), (150, 84, 66),
)  # fmt: skip
PLASTICS: tuple[Colour, ...] = ((40, 110, 70), (40, 70, 140), (36, 36, 38), (170, 46, 40), (130, 130, 130))


def _pick(rng: np.random.Generator, colours: Sequence[Colour]) -> Array:
    """One of the colours, a little off, in 0..1, of shape (3, 1, 1)."""
    colour = np.asarray(colours[int(rng.integers(len(colours)))], dtype=np.float32) / np.float32(255.0)
    painted: Array = np.clip(colour * rng.uniform(0.85, 1.15, 3).astype(np.float32), 0.0, 1.0).reshape(3, 1, 1)
    return painted


def _axis(size: int) -> Array:
    return np.linspace(0.0, 1.0, size, dtype=np.float32)


def _planks(rng: np.random.Generator, size: int) -> Array:
    count = int(rng.integers(3, 9))
    gap = float(rng.choice([0.02, 0.04, 0.18]))
    place = _axis(size) * count
    board = place.astype(int).clip(0, count - 1)
    tone = rng.uniform(0.8, 1.15, count).astype(np.float32)[board][None, :]
    grain = smooth_noise(rng, (size, size), (4, 70), 2) * np.float32(0.10)
    seam = np.where(np.abs(place - board - 0.5) > 0.5 - gap / 2, 0.22, 1.0).astype(np.float32)[None, :]
    painted: Array = _pick(rng, WOODS) * ((tone + grain) * seam)
    return painted


def _cloth(rng: np.random.Generator, size: int) -> Array:
    place = _axis(size)
    weave = np.sin(place * rng.uniform(250, 500))[:, None] * np.sin(place * rng.uniform(250, 500))[None, :]
    folds = smooth_noise(rng, (size, size), (3, 4), 2)
    cloth = _pick(rng, DYES) * (0.9 + 0.07 * weave + 0.2 * folds)
    if rng.random() < 0.3:
        stripe = np.sin(place * rng.uniform(15, 60)) > rng.uniform(0, 0.8)
        cloth = np.where(stripe, cloth * 0.4 + _pick(rng, DYES) * 0.6, cloth)
    painted: Array = cloth
    return painted


def _steel(rng: np.random.Generator, size: int) -> Array:
    brushed = smooth_noise(rng, (size, size), (120, 3)) * 0.06 + smooth_noise(rng, (size, size), (2, 3)) * 0.2
    return _pick(rng, ((165, 168, 172), (120, 124, 130), (190, 190, 188))) * (0.95 + brushed)


def _cardboard(rng: np.random.Generator, size: int) -> Array:
    place = _axis(size)
    ridges = 0.035 * np.sin(place * rng.uniform(150, 320))[None, :]
    crease = 0.25 * np.exp(-np.square((place - np.float32(rng.uniform(0.1, 0.9))) * 90))[:, None]
    stains = 0.08 * smooth_noise(rng, (size, size), (5, 5), 3)
    painted: Array = _pick(rng, ((184, 146, 104), (160, 122, 84), (204, 172, 130))) * (0.95 + ridges + stains - crease)
    return painted


def _soil(rng: np.random.Generator, size: int) -> Array:
    crumbs = smooth_noise(rng, (size, size), (12, 12), 4)
    return _pick(rng, ((92, 68, 50), (120, 92, 66), (70, 58, 50))) * (0.9 + 0.33 * crumbs)


def _stone(rng: np.random.Generator, size: int) -> Array:
    grains = smooth_noise(rng, (size, size), (6, 6), 3) * 0.1 + smooth_noise(rng, (size, size), (90, 90)) * 0.08
    return _pick(rng, ((150, 148, 144), (190, 186, 178), (110, 108, 110))) * (0.95 + grains)


def _plastic_crate(rng: np.random.Generator, size: int) -> Array:
    place = _axis(size) * rng.uniform(8, 20)
    hole = (np.abs(np.sin(place * 3.14))[:, None] > 0.45) & (np.abs(np.sin(place * 3.14))[None, :] > 0.45)
    sheen = 0.9 + 0.15 * smooth_noise(rng, (size, size), (3, 3))
    return _pick(rng, PLASTICS) * (sheen * np.where(hole, np.float32(0.3), np.float32(1.0)))


def _newspaper(rng: np.random.Generator, size: int) -> Array:
    rows, words = int(rng.integers(34, 60)), int(rng.integers(50, 90))
    ink = rng.uniform(0.45, 1.0, (rows * 2, words)).astype(np.float32)
    ink[::2] = 1.0
    ink[:, :: int(rng.integers(6, 11))] = 1.0
    if rng.random() < 0.6:
        top, left = int(rng.integers(rows)), int(rng.integers(words // 2))
        ink[top : top + rows // 2, left : left + words // 3] = rng.uniform(0.3, 0.8)
    page = np.asarray(Image.fromarray(ink).resize((size, size), Image.Resampling.BILINEAR))
    painted: Array = _pick(rng, ((222, 218, 206), (205, 200, 190))) * (page)
    return painted


def _packed_shelf(rng: np.random.Generator, size: int) -> Array:
    """Far goods out of focus: rows of coloured dots on dark."""
    cells = int(rng.integers(9, 18))
    dots = rng.uniform(0.1, 0.35, (cells, cells, 3)).astype(np.float32)
    palette = np.stack([_pick(rng, DYES).ravel() for _ in range(3)])
    chosen = rng.random((cells, cells)) < 0.7
    dots[chosen] = palette[rng.integers(3, size=int(chosen.sum()))] * 0.9
    picture = Image.fromarray((dots * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / np.float32(255.0)


def _belt(rng: np.random.Generator, size: int) -> Array:
    place = _axis(size) * rng.uniform(9, 18)
    rib = 0.85 + 0.25 * np.clip(np.sin(place * 6.28) * 3, -1, 0.6)[:, None]
    scuffs = 0.06 * smooth_noise(rng, (size, size), (30, 3), 2)
    painted: Array = _pick(rng, ((30, 120, 200), (20, 160, 190))) * (rib + scuffs)
    return painted


def _gingham(rng: np.random.Generator, size: int) -> Array:
    stripe = np.sin(_axis(size) * rng.uniform(50, 110)) > 0
    depth = (stripe[:, None].astype(np.float32) + stripe[None, :].astype(np.float32)) * np.float32(0.5)
    dye = _pick(rng, ((30, 150, 160), (200, 60, 140), (90, 60, 190)))
    painted: Array = 0.94 - depth * (0.94 - dye)
    return painted


def _tiles(rng: np.random.Generator, size: int) -> Array:
    count = int(rng.integers(6, 11))
    place = _axis(size) * count
    board = place.astype(int)
    even = (board[:, None] + board[None, :]) % 2 == 0
    joint = np.minimum(np.abs(place - np.round(place))[:, None], np.abs(place - np.round(place))[None, :]) < 0.03
    tone = np.where(even, _pick(rng, ((20, 150, 150), (80, 70, 190))), np.float32(0.92))
    return np.where(joint, np.float32(0.55), tone)


USUAL_GROUNDS: tuple[Ground, ...] = (
    _planks, _planks, _cloth, _cloth, _steel, _cardboard, _soil, _stone, _plastic_crate, _newspaper, _packed_shelf,
)  # fmt: skip
NEW_GROUNDS: tuple[Ground, ...] = (_belt, _gingham, _tiles)


def _perspective(corners: Array, size: int) -> list[float]:
    """Pillow's eight coefficients that put the four corners (clockwise from upper left) on the picture's."""
    rows, targets = [], []
    for (px, py), (sx, sy) in zip(((0, 0), (size, 0), (size, size), (0, size)), corners, strict=True):
        rows.append([px, py, 1, 0, 0, 0, -sx * px, -sx * py])
        rows.append([0, 0, 0, px, py, 1, -sy * px, -sy * py])
        targets += [sx, sy]
    return [float(value) for value in np.linalg.solve(np.asarray(rows, dtype=float), np.asarray(targets))]


def photographed_ground(
    rng: np.random.Generator, size: int, lean: float, roll: float, *, family: Sequence[Ground] = USUAL_GROUNDS
) -> Array:
    """A ground of the family as the camera sees it, in linear light, (3, size, size).

    `lean` is 0 for a camera straight above and grows to 1 for one that looks along the ground; `roll` turns
    the ground in the picture (radians).
    """
    flat = max(16, round(size * 1.15))
    texture = np.clip(family[int(rng.integers(len(family)))](rng, flat), 0.0, 1.0)
    picture = Image.fromarray((texture * np.float32(255)).astype(np.uint8).transpose(1, 2, 0).copy())
    # The near edge shows less ground than the far one; 0.5 keeps a turned square inside the texture.
    far, near, zoom = 0.5, 0.5 * (1.0 - 0.45 * lean), float(rng.uniform(0.7, 1.0))
    square = np.array([[-far, -0.5], [far, -0.5], [near, 0.5], [-near, 0.5]]) * zoom
    cos, sin = np.cos(roll), np.sin(roll)
    turned = square @ np.array([[cos, sin], [-sin, cos]]) / (abs(cos) + abs(sin))
    seen = picture.transform(
        (size, size),
        Image.Transform.PERSPECTIVE,
        _perspective((turned + 0.5) * (flat - 1), size),
        Image.Resampling.BILINEAR,
    )
    return photo_to_canvas(seen)
