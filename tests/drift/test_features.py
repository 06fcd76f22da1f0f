import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quality_gate.drift.features import COMPACT_FEATURES, FeatureProjection, from_bytes, to_bytes


@pytest.fixture
def seen():
    """Features of 200 photos that differ in three directions, in the first most."""
    random = np.random.default_rng(0)
    return ((random.normal(size=(200, 3)) * [5, 2, 1]) @ random.normal(size=(3, 60)) + 7).astype(np.float32)


def test_compact_features_have_mean_0_and_variance_1_and_tell_nothing_twice(seen):
    compact = FeatureProjection.fit(seen).compact(seen).astype(np.float64)
    assert compact.shape == (200, 3)
    np.testing.assert_allclose(compact.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(np.cov(compact.T), np.eye(3), atol=2e-2)


def test_there_are_at_most_so_many(seen):
    noise = np.random.default_rng(1).normal(size=(200, 100)).astype(np.float32)
    assert FeatureProjection.fit(noise).axes.shape == (COMPACT_FEATURES, 100)
    assert FeatureProjection.fit(seen, 2).axes.shape == (2, 60)


def test_the_same_photos_in_another_order_give_the_same_axes(seen):
    order = np.random.default_rng(2).permutation(len(seen))
    np.testing.assert_allclose(
        FeatureProjection.fit(seen[order]).axes, FeatureProjection.fit(seen).axes, rtol=1e-3, atol=1e-5
    )


def test_photos_that_are_all_alike_have_none():
    assert FeatureProjection.fit(np.ones((5, 8), dtype=np.float32)).axes.shape == (0, 8)


def test_what_is_far_away_stays_a_number(seen):
    assert np.isfinite(FeatureProjection.fit(seen).compact(seen * np.float32(1e6))).all()


@given(arrays(np.float16, st.integers(0, 40), elements=st.floats(-1000, 1000, width=16)))
def test_logged_features_come_back_as_they_were(features):
    logged = to_bytes(features)
    assert len(logged) == 2 * len(features)
    np.testing.assert_array_equal(from_bytes(logged), features)


def test_half_a_number_is_a_value_error():
    with pytest.raises(ValueError, match="size"):
        from_bytes(b"abc")
