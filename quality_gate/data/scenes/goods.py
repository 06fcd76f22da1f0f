"""The goods of the demo photos: potatoes, onions, tomatoes, and what else lies on a market stall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quality_gate.data.scenes.painting import (
    Array,
    Colour,
    Form,
    Light,
    Surface,
    cast_shadow,
    linear,
    round_body,
    shade,
    smooth_noise,
    stroke,
)

Texture = Callable[[np.random.Generator, Surface, Array], Array]
Finish = Callable[[Array, np.random.Generator, Form, Light], None]


@dataclass(frozen=True)
class Variety:
    """How one kind of round goods looks; each photo draws its own values from the ranges.

    `skins` are pairs of display colours that one item mixes; the other fields follow `Form` and `shade`.
    """

    skins: tuple[tuple[Colour, Colour], ...]
    aspect: tuple[float, float] = (0.95, 1.05)
    tilt: tuple[float, float] = (-0.6, 1.3)
    lumps: float = 0.02
    lobes: tuple[int, float] = (0, 0.0)
    neck: float = 0.0
    tail: float = 0.0
    bump: tuple[int, float] = (0, 0.0)
    gloss: float = 0.3
    sharpness: float = 30.0
    texture: Texture | None = None
    finish: Finish | None = None


def _tip(form: Form, along: float = 1.0) -> tuple[Array, Array]:
    """Place of the axis's upper end in the picture (pixels), and the axis direction there (unit vector)."""
    upward = np.array([np.sin(form.turn), -np.cos(form.turn)], dtype=np.float32)
    seen = float(np.hypot(form.aspect * np.cos(form.tilt), np.sin(form.tilt)))
    reach = form.radius * seen**0.5 * np.cos(form.tilt) * along
    return np.array([form.x, form.y], dtype=np.float32) + upward * np.float32(reach), upward


def _dots(body: Surface, rng: np.random.Generator, cells: int, share: float) -> Array:
    """Small round spots, 0..1, on about `share` of the surface."""
    cloud = smooth_noise(rng, body.alpha.shape, (cells, cells))
    painted: Array = np.clip((cloud - np.float32(1.0 - 2.2 * share)) * 4, 0.0, 1.0)
    return painted


def _potato_skin(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    shape = body.alpha.shape
    tone = 1.0 + 0.14 * smooth_noise(rng, shape, (4, 4), 3)
    tone -= 0.28 * _dots(body, rng, 26, rng.uniform(0.05, 0.16))
    for _ in range(rng.integers(3, 9)):
        x, y = rng.uniform(-0.75, 0.75), rng.uniform(-0.75, 0.75)
        wide, flat = rng.uniform(0.07, 0.14), rng.uniform(0.025, 0.05)
        brow = body.v - y + 1.5 * np.square(body.u - x)
        tone -= 0.55 * np.exp(-np.square((body.u - x) / wide) - np.square(brow / flat))
        tone += 0.16 * np.exp(-np.square((body.u - x) / wide) - np.square((brow - 2.2 * flat) / flat))
    skin = albedo * np.clip(tone, 0.15, 1.4)
    if rng.random() < 0.5:
        soil = np.clip(smooth_noise(rng, shape, (3, 3), 3) * 1.5 - rng.uniform(0.0, 0.9), 0.0, 0.75)
        skin += soil * (linear((96, 72, 52)) - skin)
    painted: Array = skin
    return painted


def _onion_skin(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    bend = body.around + 0.25 * np.sin(body.polar * 2 + np.float32(rng.uniform(0, 6)))
    fine, broad = int(rng.integers(15, 24)), int(rng.integers(5, 9))
    # Meridians run together at both ends, where they would turn to noise; fade them out there.
    visible = np.clip(np.sin(body.polar) * 1.6 - 0.15, 0.0, 1.0)
    veins = np.clip(1.0 - np.abs(np.sin(bend * np.float32(fine / 2))) * 4, 0.0, 1.0)
    veins += np.clip(1.0 - np.abs(np.sin(bend * np.float32(broad / 2) + 1)) * 5, 0.0, 1.0)
    tone = 1.0 - 0.34 * visible * veins + 0.12 * np.sin(bend * broad) * visible
    tone += 0.09 * smooth_noise(rng, body.alpha.shape, (3, 3), 2)
    skin = albedo * tone
    if rng.random() < 0.6:
        torn = smooth_noise(rng, body.alpha.shape, (2, 2), 3) + 0.3 * np.cos(bend - rng.uniform(-3, 3))
        flake = np.clip((torn - np.float32(rng.uniform(0.25, 0.6))) * 14, 0.0, 1.0)
        rim = np.exp(-np.square((torn - np.float32(0.42)) * 12)) * flake
        under = albedo * np.float32(rng.choice([0.6, 1.5])) + np.float32(0.05)
        skin += (0.7 * flake) * (under - skin)
        skin *= 1.0 - 0.4 * rim
    ends = np.exp(-np.square(body.polar / 0.34)) + np.exp(-np.square((np.pi - body.polar) / 0.24))
    skin += np.clip(ends, 0.0, 0.85) * (linear((150, 112, 68)) * tone - skin)
    painted: Array = np.clip(skin, 0.004, 1.0)
    return painted


def _onion_ends(canvas: Array, rng: np.random.Generator, form: Form, light: Light) -> None:
    """Dry stalk at the neck, hairs at the root, whichever end faces the camera or the rim."""
    lit = light.ambient + light.key * np.float32(0.6)
    tip, upward = _tip(form, 1.0 + form.neck * 0.7)
    side = np.array([-upward[1], upward[0]], dtype=np.float32)
    if form.tilt > -0.5:
        length = form.radius * rng.uniform(0.15, 0.55)
        for _ in range(rng.integers(3, 7)):
            lean = np.float32(rng.uniform(-0.5, 0.5))
            path = np.stack([tip - upward * length * 0.4, tip, tip + (upward + side * lean) * np.float32(length)])
            tone = linear((186, 142, 84)) * np.float32(rng.uniform(0.35, 1.0))
            stroke(canvas, [path], form.radius * rng.uniform(0.05, 0.12), tone * lit, 0.95)
    if form.tilt < 0.3 and rng.random() < 0.8:
        root = _tip(form, -1.0 - form.tail)[0]
        spread = rng.uniform(-0.9, 0.9, (9, 1)).astype(np.float32)
        ends = root - (upward + side * spread) * np.float32(form.radius * 0.22)
        hairs = [np.stack([root + upward * np.float32(form.radius * 0.04), end]) for end in ends]
        stroke(canvas, hairs, form.radius * 0.03, linear((196, 174, 136)) * lit, 0.9)


def _tomato_skin(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    skin = albedo * (1.0 + 0.06 * smooth_noise(rng, body.alpha.shape, (3, 3), 2))
    shoulder = np.clip(1.0 - body.polar / np.float32(rng.uniform(0.5, 1.1)), 0.0, 1.0) * rng.uniform(0.0, 0.7)
    skin += shoulder * (linear((140, 150, 50)) - skin)
    sepals = int(rng.integers(5, 7))
    turns = (body.around / np.float32(2 * np.pi) + 0.06 * np.sin(3 * body.polar)) * sepals + rng.uniform(0, 1)
    which = np.floor(turns).astype(int) % sepals
    reach = rng.uniform(0.55, 0.95, sepals).astype(np.float32)[which]
    off_centre = np.abs(turns - np.floor(turns) - 0.5) * 2
    slim = np.clip(1.0 - body.polar / reach, 0.0, 1.0)
    cover = np.clip((0.75 * slim**0.8 + 0.02 - off_centre * np.minimum(body.polar, 0.5)) * 18, 0.0, 1.0)
    cover *= body.polar < reach
    near = np.clip(1.0 - np.abs(body.polar - 0.25) * 2.2, 0.0, 1.0)
    skin *= 1.0 - 0.35 * near * (1.0 - cover)
    leaf = linear((74, 120, 44)) * (0.65 + 0.7 * (1.0 - off_centre) * slim + 0.1)
    painted: Array = skin + cover * (leaf - skin)
    return painted


def _stalk(length: float, width: float, colour: Colour) -> Finish:
    """A stalk on the upper end of the axis; lengths are in radii of the body."""

    def finish(canvas: Array, rng: np.random.Generator, form: Form, light: Light) -> None:
        if form.tilt < -0.35:
            return
        foot, upward = _tip(form, 0.97)
        lean = np.array([upward[1], -upward[0]], dtype=np.float32) * np.float32(rng.uniform(-0.7, 0.7))
        reach = np.float32(form.radius * length * rng.uniform(0.6, 1.2))
        path = np.stack([foot, foot + upward * reach * 0.5, foot + (upward + lean) * reach])
        lit = light.ambient * np.float32(0.6) + light.key * np.float32(0.6)
        stroke(canvas, [path], form.radius * width * 1.5, linear(colour) * lit * np.float32(0.35))
        stroke(canvas, [path], form.radius * width, linear(colour) * lit)

    return finish


def _streaks(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    """Apple skin: streaks and a blush that follow the axis, a dark hollow at the stalk, pale dots."""
    cloud = smooth_noise(rng, body.alpha.shape, (4, 4), 2)
    tone = 1.0 + 0.12 * np.sin(body.around * int(rng.integers(9, 30)) + 2 * cloud) * np.sin(body.polar)
    tone -= 0.6 * np.exp(-np.square(body.polar / 0.2))
    tone += 0.18 * _dots(body, rng, 22, 0.04)
    skin = albedo * tone
    blush = np.clip(0.5 * np.cos(body.around - rng.uniform(-3, 3)) + 0.3 * cloud, 0.0, 0.7)
    painted: Array = skin + blush * (linear((206, 176, 70)) * rng.uniform(0.5, 1.0) - skin)
    return painted


def _pores(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    return albedo * (1.0 + 0.1 * smooth_noise(rng, body.alpha.shape, (22, 22)))


def _grooves(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    groove = np.clip(-np.cos(np.float32(body.form.lobes[0]) * body.around) - 0.55, 0.0, 1.0)
    painted: Array = albedo * (1.0 - 0.9 * groove * np.sin(body.polar))
    return painted


def _rings(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    wavy = body.polar * int(rng.integers(18, 30)) + smooth_noise(rng, body.alpha.shape, (5, 5))
    return albedo * (1.0 - 0.22 * np.clip(np.sin(wavy) - 0.5, 0.0, 1.0))


def _grain(rng: np.random.Generator, body: Surface, albedo: Array) -> Array:
    return albedo * (1.0 + 0.2 * smooth_noise(rng, body.alpha.shape, (12, 12), 3))


POTATO = Variety(
    skins=(
        ((206, 172, 112), (184, 146, 88)), ((222, 196, 130), (206, 178, 104)), ((166, 124, 82), (140, 102, 66)),
        ((176, 96, 84), (150, 84, 72)), ((196, 140, 92), (170, 112, 76)), ((120, 84, 88), (140, 100, 86)),
    ),
    aspect=(1.1, 1.75), tilt=(-0.5, 0.5), lumps=0.055, bump=(5, 0.10), gloss=0.03, sharpness=6,
    texture=_potato_skin,
)  # fmt: skip
ONION = Variety(
    skins=(
        ((204, 136, 66), (180, 104, 44)), ((142, 52, 74), (112, 36, 60)), ((214, 152, 78), (188, 116, 50)),
        ((232, 226, 206), (214, 204, 172)), ((176, 84, 56), (150, 62, 44)), ((226, 196, 112), (200, 166, 80)),
    ),
    aspect=(0.82, 1.1), tilt=(-0.8, 0.9), lumps=0.02, neck=0.3, tail=0.05, gloss=0.22, sharpness=14,
    texture=_onion_skin, finish=_onion_ends,
)  # fmt: skip
TOMATO = Variety(
    skins=(
        ((198, 36, 26), (178, 30, 24)), ((214, 70, 34), (196, 50, 28)), ((204, 44, 30), (220, 120, 44)),
        ((228, 172, 44), (218, 150, 36)), ((120, 150, 60), (158, 160, 70)), ((206, 86, 74), (190, 70, 64)),
        ((112, 44, 36), (90, 60, 40)),
    ),
    aspect=(0.78, 1.05), tilt=(0.1, 1.45), lumps=0.018, lobes=(6, 0.018), gloss=0.75, sharpness=60,
    texture=_tomato_skin, finish=_stalk(0.22, 0.10, (96, 128, 56)),
)  # fmt: skip
OTHERS: dict[str, Variety] = {
    "apple": Variety(
        (((176, 34, 34), (190, 60, 40)), ((150, 170, 60), (176, 184, 80)), ((206, 176, 70), (196, 120, 60))),
        (0.86, 1.0), (0.0, 0.9), 0.02, (5, 0.008), gloss=0.4, sharpness=30,
        texture=_streaks, finish=_stalk(0.4, 0.06, (84, 60, 40)),
    ),
    "lemon": Variety((((232, 200, 60), (220, 186, 48)), ((130, 168, 50), (160, 180, 60))), (1.2, 1.45),
                     (-0.3, 0.3), 0.01, neck=0.2, tail=0.12, bump=(14, 0.012), gloss=0.25, texture=_pores),
    "orange": Variety((((232, 130, 30), (224, 112, 24)),), bump=(16, 0.012), gloss=0.25, texture=_pores),
    "peach": Variety((((222, 150, 90), (190, 70, 60)), ((226, 170, 100), (206, 110, 70))), (0.92, 1.02),
                     lobes=(1, 0.05), gloss=0.04, sharpness=5, texture=_streaks),
    "pepper": Variety(
        (((190, 28, 28), (170, 24, 24)), ((60, 112, 40), (50, 96, 36)), ((232, 180, 40), (220, 150, 30))),
        (1.05, 1.4), (-0.2, 0.8), 0.04, (4, 0.10), gloss=0.8, sharpness=45,
        texture=_grooves, finish=_stalk(0.5, 0.2, (84, 124, 52)),
    ),
    "garlic": Variety((((236, 228, 214), (222, 206, 204)), ((224, 206, 208), (204, 176, 190))), (0.85, 1.0),
                      (-0.2, 1.0), 0.02, (8, 0.06), neck=0.45, gloss=0.08, sharpness=8,
                      texture=_grooves, finish=_stalk(0.5, 0.2, (220, 206, 176))),
    "aubergine": Variety((((58, 34, 62), (44, 26, 48)),), (1.6, 2.3), (-0.2, 0.3), 0.03, gloss=0.8, sharpness=50,
                         finish=_stalk(0.4, 0.3, (90, 112, 62))),
    "cucumber": Variety((((62, 100, 44), (80, 120, 56)),), (3.0, 4.5), (-0.1, 0.1), 0.02, bump=(10, 0.03),
                        gloss=0.3, texture=_pores),
    "carrot": Variety((((224, 120, 44), (210, 104, 36)),), (3.2, 5.0), (-0.1, 0.1), 0.03, tail=0.25, gloss=0.15,
                      texture=_rings, finish=_stalk(0.7, 0.15, (90, 130, 60))),
    "egg": Variety((((206, 150, 110), (196, 136, 96)), ((236, 226, 212), (226, 216, 200))), (1.2, 1.35),
                   (-0.4, 0.4), 0.0, gloss=0.08, sharpness=8, texture=_pores),
    "stone": Variety((((140, 128, 116), (120, 110, 104)), ((160, 140, 116), (130, 112, 96))), (1.0, 1.5),
                     (-0.4, 0.4), 0.06, bump=(7, 0.08), gloss=0.0, texture=_grain),
    "plum": Variety((((84, 44, 78), (110, 50, 70)), ((150, 60, 60), (110, 44, 60))), (1.0, 1.25), lobes=(1, 0.04),
                    gloss=0.12, sharpness=9, texture=_grain),
}  # fmt: skip


def paint_item(
    canvas: Array,
    rng: np.random.Generator,
    variety: Variety,
    skin: int,
    place: tuple[float, float, float],
    light: Light,
) -> None:
    """Paint one item of the variety in its `skin` (index into `skins`) at (x, y, radius), in pixels."""
    x, y, radius = place
    lobes = (variety.lobes[0], variety.lobes[1] * float(rng.uniform(0.5, 1.3)))
    form = Form(
        x, y, radius,
        aspect=float(rng.uniform(*variety.aspect)),
        turn=float(rng.uniform(-np.pi, np.pi)),
        tilt=float(rng.uniform(*variety.tilt)),
        lumps=variety.lumps, lobes=lobes, bump=variety.bump, tail=variety.tail,
        neck=variety.neck * float(rng.uniform(0.5, 1.3)),
    )  # fmt: skip
    body = round_body(canvas.shape, rng, form)
    if body is None:
        return
    cast_shadow(canvas, form, light, float(rng.uniform(0.75, 1.0)))
    one, other = (linear(colour) for colour in variety.skins[skin])
    mix = np.clip(0.5 + 0.6 * smooth_noise(rng, body.alpha.shape, (2, 2)), 0.0, 1.0)
    albedo = (one + mix * (other - one)) * rng.uniform(0.86, 1.14, (3, 1, 1)).astype(np.float32)
    if variety.texture is not None:
        albedo = variety.texture(rng, body, albedo)
    shade(canvas, body, albedo, light, variety.gloss, variety.sharpness)
    if variety.finish is not None:
        variety.finish(canvas, rng, form, light)
