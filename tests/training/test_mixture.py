import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quality_gate.training.mixture import LEAST_WEIGHT, mixture_weights

LOGARITHMS = arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.floats(-40, 0))


def likelihood(values, weights):
    return float(np.log(np.exp(values - values.max(axis=1, keepdims=True)) @ weights).mean())


@given(LOGARITHMS)
def test_weights_sum_to_1_and_make_the_labels_no_less_likely_than_any_model_or_all_alike(values):
    weights = mixture_weights(values)
    models = values.shape[1]
    assert weights.sum() == pytest.approx(1)
    assert (weights >= LEAST_WEIGHT / 2).all()
    found = likelihood(values, weights)
    # The least weight that each model keeps costs a little.
    assert found >= likelihood(values, np.full(models, 1 / models)) - 2e-3
    for one in np.eye(models):
        assert found >= likelihood(values, np.maximum(one, 1e-300)) - 2e-3


def test_two_models_get_the_weights_that_a_search_over_all_finds():
    values = np.log(np.random.default_rng(3).uniform(0.05, 1, (200, 2)))
    grid = np.linspace(0.001, 0.999, 999)
    best = grid[np.argmax([likelihood(values, np.array([share, 1 - share])) for share in grid])]
    assert mixture_weights(values)[0] == pytest.approx(best, abs=0.002)


def test_a_model_that_is_always_better_has_nearly_all_the_weight():
    values = np.log(np.column_stack([np.full(50, 0.9), np.full(50, 0.3)]))
    assert mixture_weights(values)[0] > 0.999


@pytest.mark.parametrize("shape", [(0, 2), (3, 0), (3,)])
def test_without_photos_or_models_there_are_no_weights(shape):
    with pytest.raises(ValueError, match="expected shape"):
        mixture_weights(np.zeros(shape))
