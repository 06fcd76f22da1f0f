import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from quality_gate.drift.effect_sizes import jensen_shannon, standardised_wasserstein

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


@given(VALUES, VALUES)
def test_the_distance_is_wassersteins_in_deviations_of_the_reference(before, now):
    reference, window = np.array(before), np.array(now)
    found = standardised_wasserstein(reference, window)
    if reference.std() > 1e-3:
        assert found == pytest.approx(wasserstein_distance(before, now) / reference.std(), rel=1e-6, abs=1e-6)


def test_of_a_reference_that_does_not_vary_any_move_is_endless():
    assert standardised_wasserstein(np.ones(4), np.ones(3)) == 0
    assert standardised_wasserstein(np.ones(4), np.full(3, 2.0)) == float("inf")


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_frequencies_differ_by_the_distance_of_jensen_and_shannon(before, now):
    if sum(before) and sum(now):
        found = jensen_shannon(np.array(before, dtype=float), np.array(now, dtype=float))
        assert found == pytest.approx(jensenshannon(before, now, base=2), abs=1e-6)
