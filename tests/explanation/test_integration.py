import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from quality_gate.explanation.integration import baseline, integrate
from quality_gate.models.zoo import TransferNetwork
from quality_gate.preprocess import PreprocessingSpec, normalise

SPEC = PreprocessingSpec(32, ("crop",), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def photo(seed, count=1):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


class ScaleFree(nn.Module):
    """Divides a photo by its contrast: near one without any the gradient changes wildly, as in deep networks."""

    def forward(self, photos):
        return photos / (photos.std(dim=(1, 2, 3), keepdim=True) + 0.01)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["black", "mean", "blurred"]), scale_free=st.booleans())
def test_contributions_make_up_the_difference_of_the_logits_within_one_in_a_hundred(
    small_network, seed, kind, scale_free
):
    network, photos = small_network(seed), photo(seed)
    if scale_free:
        network.stages.insert(0, ScaleFree())
        network._cut += 1
    start = baseline(photos, kind, SPEC)
    with torch.inference_mode():
        difference = float(network(photos)[0, 1] - network(start)[0, 1])
    found = integrate(network, photos, start, [1], most_steps=20_000)
    assert found.shape == (1, 32, 32)
    assert found.sum() == pytest.approx(difference, rel=0.0101)


def test_of_a_linear_network_contributions_are_weight_times_difference():
    torch.manual_seed(0)
    weight = torch.randn(3, 4)
    network = TransferNetwork([nn.Conv2d(3, 4, 1, bias=False)], 1, 4, 2).eval()
    with torch.no_grad():
        network.stages[0].weight.copy_(weight.T[:, :, None, None])
    photos, start = photo(1), photo(2)
    (found,) = integrate(network, photos, start, [1], most_steps=32)
    expected = torch.einsum("chw,cf,f->hw", (photos - start)[0], weight, network.head.weight[1]) / 32**2
    np.testing.assert_allclose(found, expected.detach(), atol=1e-6)


def test_where_photo_and_baseline_are_equal_nothing_is_contributed(small_network):
    photos, start = photo(3), photo(4)
    start[:, :, 5:9, 5:9] = photos[:, :, 5:9, 5:9]
    (found,) = integrate(small_network(0), photos, start, [0], most_steps=64)
    assert not found[5:9, 5:9].any()
    assert found.any()
    assert not integrate(small_network(0), photos, photos, [0], most_steps=64).any()


def test_no_more_steps_are_taken_than_are_allowed_and_a_round(small_network, monkeypatch):
    network, photos = small_network(0), photo(5)
    seen = []
    network.register_forward_hook(lambda module, given, logits: seen.append(len(logits)))
    integrate(network, photos, baseline(photos, "black", SPEC), [0], most_steps=32)
    fewest = sum(seen)
    # Eight stretches with four gradients each, the logits at their ends, and those of the whole way.
    assert fewest == 8 * 4 + 8 * 2 + 2


@pytest.mark.parametrize("most_steps", [32, 20_000])
def test_contributions_that_stay_incomplete_are_told(small_network, caplog, most_steps):
    network, photos = small_network(0), photo(5)
    network.stages.insert(0, ScaleFree())
    network._cut += 1
    integrate(network, photos, baseline(photos, "mean", SPEC), [0], most_steps=most_steps)
    told = [record.getMessage() for record in caplog.records]
    assert bool(told) == (most_steps == 32)
    assert all("after 32 gradients the contributions still miss" in line for line in told)


def test_baselines_are_without_light_of_the_mean_colour_or_without_edges():
    photos = photo(6, 2)
    black = normalise(np.zeros((32, 32, 3), dtype=np.uint8), SPEC)
    np.testing.assert_allclose(baseline(photos, "black", SPEC)[1], black, atol=1e-6)
    assert not baseline(photos, "mean", SPEC).any()
    blurred = baseline(photos, "blurred", SPEC)
    assert blurred.shape == photos.shape
    assert float(blurred.std()) < 0.3 * float(photos.std())
    torch.testing.assert_close(blurred.mean(dim=(2, 3)), photos.mean(dim=(2, 3)), atol=0.1, rtol=0)
