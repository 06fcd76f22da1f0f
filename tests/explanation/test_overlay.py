import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from quality_gate.explanation.overlay import as_png, overlay, seen_pixels
from quality_gate.preprocess import PreprocessingSpec, normalise

SIZE = 32
SPEC = PreprocessingSpec(SIZE, ("crop",), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_photo_comes_back_from_the_networks_input(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(seen_pixels(normalise(pixels, SPEC), SPEC), pixels)


def is_grey(pixels):
    return np.ptp(pixels.astype(int), axis=-1) == 0


def test_where_nothing_speaks_for_the_class_the_photo_is_grey():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert is_grey(overlay(pixels, np.full((4, 4), -100.0))).all()
    assert is_grey(overlay(pixels, np.zeros((4, 4)))).all()


def test_the_place_that_speaks_most_is_the_lightest_and_its_far_corner_grey():
    found = overlay(np.full((32, 32, 3), 128, dtype=np.uint8), np.eye(4)[:, ::-1] * [0, 0, 0, 1])
    assert found.sum(axis=-1).argmax() == np.ravel_multi_index((0, 31), (32, 32))
    assert is_grey(found)[24:, :8].all()
    assert not is_grey(found)[:4, 28:].any()


@settings(deadline=None, max_examples=20)
@given(scale=st.floats(0.01, 100))
def test_every_photo_has_a_scale_of_its_own(scale):
    rng = np.random.default_rng(1)
    pixels, activation = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), rng.normal(size=(4, 4))
    difference = overlay(pixels, activation).astype(int) - overlay(pixels, scale * activation)
    assert np.abs(difference).max() <= 1


def test_of_a_map_with_a_value_for_each_pixel_neighbours_are_averaged():
    grey = np.full((112, 112, 3), 128, dtype=np.uint8)
    single, patch = np.zeros((112, 112)), np.zeros((112, 112))
    single[50, 50], patch[48:52, 48:52] = 16, 1
    np.testing.assert_array_equal(overlay(grey, single), overlay(grey, patch))
    assert np.count_nonzero(~is_grey(overlay(grey, single))) >= 16


@pytest.mark.parametrize("shape", [(1, 1), (3, 30), (64, 64)])
def test_maps_of_any_number_of_places_cover_the_photo(shape):
    assert overlay(np.zeros((40, 40, 3), dtype=np.uint8), np.ones(shape)).shape == (40, 40, 3)


def test_a_picture_is_encoded_without_loss():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(as_png(pixels)))), pixels)
