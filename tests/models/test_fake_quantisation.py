import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.models.export import export_onnx
from quality_gate.models.fake_quantisation import fake_quantised, round_activation, round_weight
from quality_gate.models.serving_network import quantise
from quality_gate.models.zoo import TransferNetwork

SIZE = 32
floats = st.floats(-100, 100, width=32)


def make_network():
    """Three convolutions, the last two behind a batch normalisation that is no identity, and a head."""
    torch.manual_seed(3)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, stride=2), torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, bias=False), torch.nn.BatchNorm2d(32), torch.nn.ReLU(),
        torch.nn.Conv2d(32, 32, 1, bias=False), torch.nn.BatchNorm2d(32),
    )  # fmt: skip
    for norm in (layers[3], layers[6]):
        torch.nn.init.uniform_(norm.weight, -2, 2)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    return TransferNetwork([layers[:2], layers[2:]], 1, 32, 4).eval()


@pytest.fixture(scope="module")
def photos():
    return torch.from_numpy(np.random.default_rng(1).normal(size=(8, 1, 3, SIZE, SIZE)).astype(np.float32))


@pytest.fixture(scope="module")
def answers(photos, tmp_path_factory):
    """Logits in 32 bits, in 8 bits by ONNX Runtime, and in simulated 8 bits."""
    network, folder = make_network(), tmp_path_factory.mktemp("network")
    quantise(export_onnx(network, SIZE, folder), photos.numpy(), folder / "int8.onnx")
    session = onnxruntime.InferenceSession(str(folder / "int8.onnx"), providers=["CPUExecutionProvider"])
    served = np.concatenate([session.run(["logits"], {"photos": tensor})[0] for tensor in photos.numpy()])
    with torch.inference_mode():
        before = network(photos[:, 0]).numpy()
    with fake_quantised(network, photos), torch.inference_mode():
        return before, served, network(photos[:, 0]).numpy()


def test_simulated_answers_are_those_that_are_served(answers):
    before, served, simulated = answers

    error, unexplained = np.abs(served - before).mean(), np.abs(served - simulated).mean()
    assert 0 < unexplained < error / 4


def test_afterwards_weights_lie_on_their_steps_and_nothing_else_is_left(photos):
    network = make_network()
    names, first = set(network.state_dict()), network.stages[0][0].weight.clone()

    with fake_quantised(network, photos):
        inside = [parameter.clone() for parameter in network.stages[1][0].parametrizations.weight.parameters()]

    assert set(network.state_dict()) == names
    weight = network.stages[1][0].weight
    assert torch.equal(weight, round_weight(inside[0]))
    assert not torch.equal(weight, inside[0])
    assert torch.equal(network.stages[0][0].weight, first)
    assert not network.stages[1][0]._forward_pre_hooks
    assert not network.stages[1]._forward_hooks


def test_gradients_reach_the_weights_through_the_rounding(photos):
    network = make_network()

    with fake_quantised(network, photos):
        network(photos[:, 0]).sum().backward()
        (weight,) = network.stages[1][0].parametrizations.weight.parameters()
        assert weight.grad.abs().sum() > 0


@given(st.lists(floats, min_size=1, max_size=20), st.floats(-50, 0), st.floats(0, 50))
def test_an_activation_is_off_by_half_a_step_at_most_and_0_stays_0(values, low, high):
    tensor = torch.tensor([*values, 0.0])

    rounded = round_activation(tensor, low, high)

    step = max((high - low) / 255, 1e-8)
    inside = tensor.clamp(low, high)
    # The ends move by up to half a step, for 0 has to be one of the steps.
    assert (rounded - inside).abs().max() <= step * 1.01 + 1e-5
    assert rounded[-1] == 0


@given(st.lists(st.lists(floats, min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_weight_has_the_steps_of_its_channel_and_rounding_again_changes_nothing(rows):
    weight = torch.tensor(rows)

    rounded = round_weight(weight)

    largest = weight.abs().amax(dim=1, keepdim=True)
    assert ((rounded - weight).abs() <= largest / 127 * 0.51 + 1e-6).all()
    torch.testing.assert_close(round_weight(rounded), rounded, rtol=1e-5, atol=1e-7)
