import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from quality_gate.models.export import export_onnx
from quality_gate.models.serving_network import optimise, quantise
from quality_gate.models.zoo import TransferNetwork

SIZE = 32


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A convolution, pooling and a head, exported with feature maps."""
    torch.manual_seed(3)
    stage = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3))
    return export_onnx(TransferNetwork([stage], 1, 32, 4), SIZE, tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def tensors():
    return [np.random.default_rng(number).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32) for number in range(8)]


@pytest.fixture(scope="module")
def quantised(network, tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("quantised") / "network.onnx"
    quantise(network, tensors, path)
    return path


def answers(path, tensors, *outputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = [session.run(list(outputs or ["logits"]), {"photos": tensor}) for tensor in tensors]
    return [np.concatenate(values) for values in zip(*found, strict=True)]


def test_an_optimised_network_answers_as_before(network, tensors, tmp_path):
    optimise(network, tmp_path / "optimised.onnx")

    before, after = (answers(path, tensors)[0] for path in (network, tmp_path / "optimised.onnx"))
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert "FusedConv" in {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}


def test_a_quantised_network_answers_nearly_as_before(network, quantised, tensors):
    before, after = (answers(path, tensors)[0] for path in (network, quantised))

    assert 0 < np.abs(after - before).max() < 0.1 * np.ptp(before)


def test_all_convolutions_but_the_first_are_in_8_bits_a_scale_for_each_channel(quantised):
    weights = {tensor.name: tensor for tensor in onnx.load(quantised).graph.initializer}

    scales = [onnx.numpy_helper.to_array(tensor) for name, tensor in weights.items() if name.endswith("weight_scale")]
    assert sorted(scale.shape for scale in scales) == [(32,)]
    # Its weights and their zero points.
    assert sum(tensor.data_type == onnx.TensorProto.INT8 for tensor in weights.values()) == 2


def test_the_logits_stay_what_head_and_feature_maps_make_of_them(quantised, network, tensors):
    initial = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(network).graph.initializer}
    (weight,) = (value for name, value in initial.items() if name.endswith("head.weight"))
    (bias,) = (value for name, value in initial.items() if name.endswith("head.bias"))

    logits, maps = answers(quantised, tensors, "logits", "feature_maps")

    np.testing.assert_allclose(maps.mean(axis=(2, 3)) @ weight.T + bias, logits, atol=1e-5)


def test_the_same_network_and_photos_give_the_same_file(network, quantised, tensors, tmp_path):
    quantise(network, tensors, tmp_path / "again.onnx")

    assert (tmp_path / "again.onnx").read_bytes() == quantised.read_bytes()
