import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quality_gate.data.photo_set import PhotoSets
from quality_gate.settings import BaselineSettings
from quality_gate.training.baselines import colour_histograms, histogram_baseline, read_pixels, scratch_baseline

pixel_arrays = arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(3)))


@pytest.fixture(scope="module")
def photo_sets_of(photos_in_memory, encode_png):
    """Makes the four splits of photos that a function of class number and randomness paints."""

    def make(paint, counts=(8, 8), test_counts=(6, 6)):
        classes = ("first", "second")
        rng = np.random.default_rng(0)

        def part(per_class):
            labels = np.repeat(np.arange(len(classes)), per_class)
            return photos_in_memory([encode_png(paint(label, rng)) for label in labels], labels, classes)

        return PhotoSets(part(counts), part((4, 4)), part((1, 1)), part(test_counts))

    return make


def coloured(label, rng):
    """Red photos against blue ones, each with its own light."""
    colour = np.array([(200, 60, 60), (60, 60, 200)][label]) * rng.uniform(0.6, 1.2)
    return np.clip(colour + rng.normal(0, 8, (40, 40, 3)), 0, 255).astype(np.uint8)


def striped(label, rng):
    """Stripes across against stripes along: the colours are the same."""
    wave = 110 + 80 * np.sin(np.arange(40) * 0.8 + rng.uniform(0, 6))
    stripes = np.broadcast_to(wave[:, None, None], (40, 40, 3)) + rng.normal(0, 8, (40, 40, 3))
    return np.clip(stripes.transpose(1, 0, 2) if label else stripes, 0, 255).astype(np.uint8)


def accuracy(probabilities, photos):
    return (probabilities.argmax(axis=1) == photos.test.labels).mean()


def assert_probabilities(probabilities, photos):
    assert probabilities.shape == (len(photos.test), len(photos.test.classes))
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@given(pixels=pixel_arrays, bins=st.integers(2, 256))
@settings(deadline=None, max_examples=50)
def test_the_shares_of_each_channel_sum_to_one(pixels, bins):
    shares = colour_histograms(pixels, bins)

    assert (shares.shape, shares.dtype) == ((len(pixels), 3 * bins), np.float32)
    np.testing.assert_allclose(shares.reshape(len(pixels), 3, bins).sum(axis=2), 1, atol=1e-5)


@given(pixels=pixel_arrays, bins=st.integers(2, 256))
@settings(deadline=None, max_examples=25)
def test_a_histogram_counts_what_numpy_counts(pixels, bins):
    shares = colour_histograms(pixels, bins).reshape(len(pixels), 3, bins)

    edges = np.ceil(np.arange(bins + 1) * 256 / bins)
    for channel in range(3):
        counted, _ = np.histogram(pixels[0, ..., channel], edges)
        np.testing.assert_allclose(shares[0, channel], counted / pixels[0, ..., 0].size, atol=1e-6)


def test_pixels_are_squashed_photos_in_their_order_whatever_the_workers(encode_png):
    photos = [encode_png(np.full((20, 30, 3), value, dtype=np.uint8)) for value in range(0, 250, 10)]

    alone, together = (np.stack(list(read_pixels(iter(photos), 8, workers))) for workers in (1, 4))

    assert (alone == together).all()
    assert (alone.shape, alone.dtype) == ((25, 8, 8, 3), np.uint8)
    assert (alone[:, 0, 0, 0] == np.arange(0, 250, 10)).all()


def test_the_histogram_tells_colours_apart(photo_sets_of):
    photos = photo_sets_of(coloured)

    probabilities = histogram_baseline(photos, BaselineSettings(histogram_bins=16), workers=2)

    assert_probabilities(probabilities, photos)
    assert accuracy(probabilities, photos) == 1.0


def test_the_histogram_cannot_tell_shapes_of_one_colour_apart(photo_sets_of):
    photos = photo_sets_of(striped)

    assert accuracy(histogram_baseline(photos, BaselineSettings(), workers=1), photos) < 0.9


def test_a_rare_class_is_not_forgotten_by_the_histogram(photo_sets_of):
    def dim_or_bright(label, rng):
        return np.full((8, 8, 3), np.clip(rng.normal(110 + 40 * label, 25), 0, 255), dtype=np.uint8)

    photos = photo_sets_of(dim_or_bright, counts=(120, 6), test_counts=(60, 60))

    answers = histogram_baseline(photos, BaselineSettings(histogram_bins=4), workers=1).argmax(axis=1)

    assert (answers[photos.test.labels == 1] == 1).mean() > 0.6


def test_the_small_network_learns_shapes_from_nothing_and_repeats_itself(photo_sets_of):
    photos = photo_sets_of(striped, counts=(24, 24))
    settings = BaselineSettings(scratch_size=32, scratch_epochs=12)
    epochs = []

    probabilities = scratch_baseline(photos, settings, seed=0, workers=2, on_epoch=epochs.append)
    again = scratch_baseline(photos, settings, seed=0, workers=1, on_epoch=lambda _epoch: None)

    assert_probabilities(probabilities, photos)
    assert accuracy(probabilities, photos) == 1.0
    assert (probabilities == again).all()
    assert [epoch.epoch for epoch in epochs] == list(range(len(epochs)))
    assert len(epochs) <= 13
