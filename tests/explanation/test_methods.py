import math
from typing import get_args

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from quality_gate.errors import UserError
from quality_gate.explanation.methods import explain, fitting_method
from quality_gate.explanation.settings import ExplanationSettings, Method
from quality_gate.models.zoo import architecture, assemble
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.transfer_settings import MODELS

METHODS = get_args(Method)
SPEC = PreprocessingSpec(32, ("crop",), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
seeds = st.integers(0, 2**32 - 1)


def maps(method, network, photos, targets, **changes):
    return explain(network, photos, list(targets), ExplanationSettings(method=method, **changes), SPEC)


def photo(seed, count=1, **changes):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed), **changes)


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_the_mean_of_a_class_activation_map_and_the_bias_are_the_logit(small_network, seed):
    network, photos = small_network(seed), photo(seed, 3)
    logits = network(photos)[range(3), range(3)] - network.head.bias
    found = maps("class_activation", network, photos, range(3))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), logits.detach(), atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_grad_cam_is_what_speaks_for_the_class_in_the_exact_map_of_a_network_that_has_one(small_network, seed):
    network, photos = small_network(seed), photo(seed, 3)
    exact = maps("class_activation", network, photos, range(3))
    found = maps("grad_cam", network, photos, range(3))
    np.testing.assert_allclose(found, exact.clip(0) / exact[0].size, atol=1e-6)


@pytest.mark.parametrize("exact_maps", [True, False])
def test_grad_cam_is_that_of_captum(small_network, exact_maps):
    network, photos = small_network(3, exact_maps=exact_maps), photo(3, 3)
    # Of the network that is taken for another kind it is the last convolution, before its activation.
    layer = network.stages[-1] if exact_maps else network.stages[-1][0]
    theirs = LayerGradCam(network, layer).attribute(photos, [0, 1, 2], relu_attributions=True)
    np.testing.assert_allclose(maps("grad_cam", network, photos, range(3)), theirs.detach()[:, 0], atol=1e-6)


@settings(deadline=None, max_examples=10)
@given(seed=seeds, row=st.integers(0, 31), column=st.integers(0, 31))
def test_saliency_is_the_strongest_change_of_the_logit_by_a_channel_of_the_pixel(small_network, seed, row, column):
    network, given_photo = small_network(seed, smooth=True).double(), photo(seed, dtype=torch.float64)
    (found,) = maps("saliency", network, given_photo, [1])
    changed = given_photo.repeat(6, 1, 1, 1)
    step = 1e-5
    for channel in range(3):
        changed[channel, channel, row, column] += step
        changed[3 + channel, channel, row, column] -= step
    with torch.inference_mode():
        logits = network(changed)[:, 1]
    differences = (logits[:3] - logits[3:]).abs() / (2 * step)
    assert found[row, column] == pytest.approx(float(differences.max()), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_photos_explained_together_have_the_maps_they_have_alone(small_network, method):
    network, photos = small_network(5), photo(5, 3)
    together = maps(method, network, photos, [2, 0, 2])
    alone = [maps(method, network, one[None], [target])[0] for one, target in zip(photos, [2, 0, 2], strict=True)]
    assert together.dtype == np.float64
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_network_and_the_photos_are_left_as_they_were(small_network, method):
    network, photos = small_network(6), photo(6)
    network.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    given_photos = photos.clone()
    maps(method, network, photos, [0])
    assert torch.equal(photos, given_photos)
    assert not photos.requires_grad
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


# Adebayo et al. 2018, "Sanity checks for saliency maps": what does not depend on what was learnt explains nothing.
class TestSanity:
    @pytest.mark.parametrize("method", METHODS)
    def test_with_random_weights_the_maps_are_others(self, trained, small_network, patches, method):
        photos, classes, _ = patches(8, seed=77)
        known = maps(method, trained, photos, classes.tolist())
        ranks = []
        for seed in range(1, 4):
            other = maps(method, small_network(seed), photos, classes.tolist())
            ranks += [
                spearmanr(a.ravel(), b.ravel()).statistic if np.ptp(b) else 0.0
                for a, b in zip(known, other, strict=True)
            ]
        # Saliency keeps some order: pixels on which two windows of the first convolution lie have larger gradients.
        assert abs(np.mean(ranks)) < 0.4, np.mean(ranks)

    # Saliency does not say what spoke for a class.
    @pytest.mark.parametrize("method", [method for method in METHODS if method != "saliency"])
    def test_what_the_network_has_learnt_to_look_for_is_found(self, trained, patches, method):
        photos, classes, corners = patches(20, seed=78)
        found = maps(method, trained, photos, classes.tolist())
        scale = 32 / found.shape[1]
        hits = 0
        for each, (row, column) in zip(found, corners.tolist(), strict=True):
            best = (np.array(np.unravel_index(each.argmax(), each.shape)) + 0.5) * scale
            # A place of the last maps is 8 pixels wide.
            hits += all(corner - 8 <= place <= corner + 16 for corner, place in zip((row, column), best, strict=True))
        # By chance it would be half of them.
        assert hits >= 16, hits


@pytest.mark.parametrize("name", [*MODELS, "timm:test_resnet", "timm:test_vit", "timm:test_convnext"])
def test_every_method_explains_every_network(name):
    torch.manual_seed(0)
    arch = architecture(name)
    network = assemble(arch.build(), arch, 3).eval()
    size = 96 if name.startswith("timm:") else 40
    photos = torch.randn(1, 3, size, size)
    for method in METHODS:
        fitting = fitting_method(network, method)
        (found,) = maps(fitting, network, photos, [1], steps=32)
        assert found.ndim == 2
        assert found.shape[0] > 1
        assert np.isfinite(found).all()
        assert fitting == method or not network.exact_maps


def test_a_network_without_exact_maps_is_told_what_to_take_instead(small_network):
    network = small_network(0, exact_maps=False)
    with pytest.raises(UserError, match=r"class_activation needs .* take grad_cam\.$"):
        maps("class_activation", network, photo(0), [0])
    assert fitting_method(network, "class_activation") == "grad_cam"
    assert [fitting_method(small_network(0), method) for method in METHODS] == list(METHODS)


@pytest.mark.parametrize("targets", [[], [0, 1], [3], [-1]])
def test_targets_that_do_not_fit_are_an_error(small_network, targets):
    with pytest.raises(ValueError, match=r"expected one each, in 0\.\.2"):
        maps("saliency", small_network(0), photo(0), targets)


def test_maps_that_have_one_are_signed_as_documented(small_network):
    found = {method: maps(method, small_network(8), photo(8, 2), [0, 1]) for method in METHODS}
    assert {method: bool((each < 0).any()) for method, each in found.items()} == {
        "class_activation": True, "grad_cam": False, "saliency": False, "integrated_gradients": True,
    }  # fmt: skip
    assert not math.isclose(found["saliency"].max(), 0)
