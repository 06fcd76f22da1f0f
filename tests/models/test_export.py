import logging

import numpy as np
import onnxruntime
import pytest
import torch

from quality_gate.models.export import export_backbone, export_onnx
from quality_gate.models.zoo import TransferNetwork, architecture, assemble

SIZE = 64


def build(name):
    torch.manual_seed(0)
    arch = architecture(name)
    return assemble(arch.build(), arch, 3)


@pytest.fixture(scope="module", params=["efficientnet_lite0", "resnet18"])
def exported(request, tmp_path_factory):
    network = build(request.param)
    return network, export_onnx(network, SIZE, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("batch", [1, 3])
def test_the_exported_network_answers_as_the_trained_one(exported, batch):
    network, path = exported
    photos = np.random.default_rng(batch).normal(size=(batch, 3, SIZE, SIZE)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    logits = session.run(["logits"], {"photos": photos})[0]

    with torch.inference_mode():
        np.testing.assert_allclose(logits, network(torch.from_numpy(photos)).numpy(), atol=1e-5)
    assert logits.shape == (batch, 3)


def test_the_exported_backbone_gives_features_and_activations_of_the_trunk(tmp_path):
    network = build("resnet18").eval()
    photos = np.random.default_rng(0).normal(size=(3, 3, SIZE, SIZE)).astype(np.float32)

    export_backbone(network, SIZE, tmp_path / "made" / "backbone.onnx")

    assert [file.name for file in (tmp_path / "made").iterdir()] == ["backbone.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "made" / "backbone.onnx", providers=["CPUExecutionProvider"])
    features, activations = session.run(["features", "activations"], {"photos": photos})
    with torch.inference_mode():
        expected = network.trunk(torch.from_numpy(photos))
        np.testing.assert_allclose(activations, expected.numpy(), atol=1e-4)
        np.testing.assert_allclose(features, network.features(expected).numpy(), atol=1e-4)


def test_the_feature_maps_make_up_the_logits(exported):
    network, path = exported
    photos = np.random.default_rng(5).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    logits, maps = session.run(["logits", "feature_maps"], {"photos": photos})

    weight, bias = (tensor.detach().numpy() for tensor in (network.head.weight, network.head.bias))
    assert maps.shape == (2, weight.shape[1], 2, 2)
    np.testing.assert_allclose(maps.mean(axis=(2, 3)) @ weight.T + bias, logits, atol=1e-4)


def test_a_network_of_another_build_has_logits_alone(tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

    session = onnxruntime.InferenceSession(
        str(export_onnx(network, SIZE, tmp_path)), providers=["CPUExecutionProvider"]
    )

    assert [output.name for output in session.get_outputs()] == ["logits"]


def test_a_network_without_exact_maps_has_what_its_last_layer_is_given(tmp_path):
    network = TransferNetwork([torch.nn.Conv2d(3, 4, 3)], 1, 4, 2, exact_maps=False)
    photos = np.random.default_rng(5).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        str(export_onnx(network, SIZE, tmp_path)), providers=["CPUExecutionProvider"]
    )

    logits, features = session.run(["logits", "features"], {"photos": photos})

    weight, bias = (tensor.detach().numpy() for tensor in (network.head.weight, network.head.bias))
    assert features.shape == (2, 4)
    np.testing.assert_allclose(features @ weight.T + bias, logits, atol=1e-4)


def test_the_network_that_was_exported_still_writes_in_place_as_it_did(exported):
    network, _ = exported

    assert any(getattr(part, "inplace", False) for part in network.modules())


def test_the_file_stands_alone(exported):
    _, path = exported

    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]


def test_the_file_says_nothing_of_the_code_that_wrote_it(exported):
    _, path = exported

    assert b".py" not in path.read_bytes()


def test_the_same_network_is_the_same_file_and_exporting_is_quiet(tmp_path, capsys):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    levels = [logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")]
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files.append(export_onnx(network.train(), SIZE, tmp_path / name).read_bytes())

    assert files[0] == files[1]
    assert not network.training
    assert capsys.readouterr() == ("", "")
    assert [logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")] == levels
