import numpy as np
import pytest
import torch

from quality_gate.explanation.explainer import NetworkExplainer, open_explainer
from quality_gate.explanation.settings import ExplanationSettings
from quality_gate.models.checkpoint import save_weights
from quality_gate.models.manifest import ModelManifest
from quality_gate.models.zoo import architecture, assemble
from quality_gate.preprocess import PreprocessingSpec


@pytest.fixture
def write_model(write_tiny_model, tmp_path):
    """Writes the folder of a network of timm with random weights, whose exported network hands out no feature maps."""

    def write(name):
        torch.manual_seed(1)
        arch = architecture(f"timm:{name}")
        folder = write_tiny_model(tmp_path / name)
        spec = PreprocessingSpec(64, ("crop",), arch.mean, arch.std)
        ModelManifest("gate", arch.name, ("a", "b", "c"), spec, 1.0, None, {}).save(folder)
        save_weights(assemble(arch.build(), arch, 3), folder)
        return folder

    return write


def photo(size=64):
    return np.random.default_rng(0).normal(size=(3, size, size)).astype(np.float32)


def test_exact_maps_are_those_of_the_exported_network(write_network):
    explainer = open_explainer(write_network(), ExplanationSettings())
    assert explainer.method == "class_activation"
    assert not isinstance(explainer, NetworkExplainer)
    assert [each.shape for each in explainer.maps(photo(32), (2, 0))] == [(4, 4), (4, 4)]


@pytest.mark.parametrize(
    ("method", "places"), [("class_activation", 2), ("grad_cam", 2), ("saliency", 64), ("integrated_gradients", 64)]
)
def test_each_class_has_a_map_of_its_own(write_model, method, places):
    explainer = open_explainer(write_model("test_resnet"), ExplanationSettings(method=method, steps=32))
    first, second = explainer.maps(photo(), (0, 1))
    assert explainer.method == method
    assert first.shape == second.shape == (places, places)
    assert not np.array_equal(first, second)


def test_a_network_without_exact_maps_is_explained_by_grad_cam(write_model):
    explainer = open_explainer(write_model("test_vit"), ExplanationSettings())
    assert explainer.method == "grad_cam"
    assert [each.shape for each in explainer.maps(photo(), (0, 1))] == [(4, 4), (4, 4)]


@pytest.mark.parametrize("method", ["class_activation", "saliency"])
def test_a_folder_without_weights_is_not_explained(write_tiny_model, tmp_path, method):
    assert open_explainer(write_tiny_model(tmp_path / "model"), ExplanationSettings(method=method)) is None
