import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.fft import dctn

from quality_gate.data.phash import from_hex, perceptual_hash, to_hex


def scene(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
    return Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)


def hashed(image: Image.Image) -> int:
    return perceptual_hash(np.asarray(image.convert("L"), dtype=np.float64))


def distance(first: Image.Image, second: Image.Image) -> int:
    return (hashed(first) ^ hashed(second)).bit_count()


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def test_the_bits_are_the_dct_block_above_its_median():
    pixels = np.random.default_rng(3).integers(0, 256, (32, 32), dtype=np.uint8)
    block = dctn(pixels.astype(float), norm="ortho")[1:9, 1:9]
    bits = "".join("1" if value > np.median(block) else "0" for value in block.ravel())
    assert hashed(Image.fromarray(pixels)) == int(bits, 2)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_flat_picture_hashes_to_zero(level):
    assert hashed(Image.new("L", (50, 70), level)) == 0


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: as_jpeg(image, 40),
        lambda image: image.resize((80, 60), Image.Resampling.LANCZOS),
        lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    ],
    ids=["re-encoded", "halved", "darker"],
)
def test_the_hash_survives_what_leaves_the_scene_the_same(edit):
    assert max(distance(scene(seed), edit(scene(seed))) for seed in range(10)) <= 4


def test_other_scenes_are_far_away():
    assert min(distance(scene(seed), scene(seed + 1)) for seed in range(20)) > 12


def test_hex_digits_and_numbers_turn_into_each_other():
    hashes = [0, 1, 2**63, 2**64 - 1]
    assert [len(to_hex(value)) for value in hashes] == [16] * 4
    assert from_hex([to_hex(value) for value in hashes]).tolist() == hashes
