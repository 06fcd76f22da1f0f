import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.explanation.class_activation import class_activation_map, open_class_activation

SIZE = 32


def photo(seed=0):
    return np.random.default_rng(seed).normal(size=(3, SIZE, SIZE)).astype(np.float32)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), features=st.integers(1, 40), height=st.integers(1, 9), width=st.integers(1, 9))
def test_the_mean_of_the_map_and_the_bias_make_the_logit(seed, features, height, width):
    rng = np.random.default_rng(seed)
    maps, weight = rng.normal(size=(features, height, width)), rng.normal(size=(4, features))
    bias = rng.normal(size=4)
    logits = weight @ maps.mean(axis=(1, 2)) + bias
    found = [class_activation_map(maps, weight, index) for index in range(4)]
    assert found[0].shape == (height, width)
    np.testing.assert_allclose([each.mean() for each in found] + bias, logits, atol=1e-9)


def test_a_place_that_alone_has_the_feature_of_the_class_alone_has_evidence():
    maps = np.zeros((2, 3, 3), dtype=np.float32)
    maps[1, 0, 2] = 4
    found = class_activation_map(maps, np.array([[1, 0], [0, 0.5]], dtype=np.float32), 1)
    assert found[0, 2] == 2
    assert np.count_nonzero(found) == 1


def test_maps_of_an_exported_network_make_up_its_logits(write_network):
    explainer = open_class_activation(write_network())
    tensor = photo()
    found = explainer.maps(tensor, (0, 2))
    logits = explainer.session.run(["logits"], {"photos": tensor[None]})[0][0]
    assert [each.shape for each in found] == [(4, 4), (4, 4)]
    np.testing.assert_allclose([each.mean() for each in found] + explainer.bias[[0, 2]], logits[[0, 2]], atol=1e-5)


def test_a_network_that_does_more_after_its_maps_is_not_explained(write_network):
    assert open_class_activation(write_network(factor=1.5)) is None


@pytest.mark.parametrize("changed", [{"maps": "hidden"}, {"head": ("classifier.weight", "classifier.bias")}])
def test_a_network_without_maps_or_without_a_linear_head_is_not_explained(write_network, changed):
    assert open_class_activation(write_network(**changed)) is None


def test_a_model_folder_without_weights_is_not_explained(write_tiny_model, tmp_path):
    assert open_class_activation(write_tiny_model(tmp_path / "model")) is None
