import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from bentos.explanation import PhotoExplainer, write_head
from quality_gate.explanation.class_activation import open_class_activation
from quality_gate.explanation.explainer import open_explainer
from quality_gate.explanation.settings import ExplanationSettings
from quality_gate.inference import OnnxClassifier, softmax
from quality_gate.models.checkpoint import load_network, save_weights
from quality_gate.models.ensemble import EnsembleNetwork
from quality_gate.models.export import export_onnx
from quality_gate.models.manifest import ModelManifest, file_digest
from quality_gate.models.member import Member
from quality_gate.models.serving_network import optimise, quantise
from quality_gate.models.smoke import smoke_test
from quality_gate.models.zoo import architecture, assemble
from quality_gate.preprocess import PreprocessingSpec

SIZE, CLASSES = 64, ("onion", "potato", "tomato")
SPEC = PreprocessingSpec(SIZE, ("crop",), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
MEMBERS = (
    Member("compact_cnn", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 1.3, 0.7),
    Member("compact_cnn/2", (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), 0.8, 0.3),
)


def build(name):
    arch = architecture(name)
    network = assemble(arch.build(), arch, len(CLASSES))
    # Else untrained networks are so unsure that every mixture looks like every other.
    torch.nn.init.normal_(network.head.weight, std=0.5)
    return network.eval()


@pytest.fixture(scope="module")
def ensemble():
    torch.manual_seed(0)
    return EnsembleNetwork([build(member.architecture) for member in MEMBERS], MEMBERS, SPEC).eval()


@pytest.fixture(scope="module")
def folder(ensemble, tmp_path_factory):
    """The model folder of the ensemble."""
    made = tmp_path_factory.mktemp("ensemble")
    save_weights(ensemble, made)
    export_onnx(ensemble, SIZE, made)
    manifest = ModelManifest(
        "produce",
        "compact_cnn+compact_cnn/2",
        CLASSES,
        SPEC,
        temperature=1.2,
        members=MEMBERS,
        digests={"onnx": file_digest(made / "model.onnx"), "weights": file_digest(made / "weights.safetensors")},
    )
    manifest.save(made)
    return made


def photos(number=3, seed=0):
    return np.random.default_rng(seed).normal(size=(number, 3, SIZE, SIZE)).astype(np.float32)


def in_own_normalisation(tensors, member):
    """What a member would have been given by itself."""
    mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (SPEC.mean, SPEC.std))
    own_mean, own_std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (member.mean, member.std))
    return torch.from_numpy((tensors * std + mean - own_mean) / own_std)


def test_the_probabilities_are_the_weighted_mean_of_those_of_members_in_their_own_normalisation(ensemble):
    tensors = photos()
    with torch.inference_mode():
        each = [
            softmax(network(in_own_normalisation(tensors, member)).numpy(), member.temperature)
            for network, member in zip(ensemble.members, MEMBERS, strict=True)
        ]
        found = ensemble(torch.from_numpy(tensors)).exp().numpy()
    np.testing.assert_allclose(found, 0.7 * each[0] + 0.3 * each[1], atol=1e-5)


def test_sure_members_that_contradict_each_other_have_finite_logarithms(ensemble):
    logits = torch.tensor([[[900.0, 0.0, -900.0], [-900.0, 0.0, 900.0]]])
    mixed = ensemble.mix(logits)
    assert torch.isfinite(mixed).all()
    torch.testing.assert_close(mixed.exp()[0], torch.tensor([0.7, 0.0, 0.3]))


def test_the_exported_graph_answers_as_the_ensemble_and_hands_out_the_logits_of_members(ensemble, folder):
    tensors = photos()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    logits, members = session.run(["logits", "member_logits"], {"photos": tensors})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, ensemble(torch.from_numpy(tensors)).numpy(), atol=1e-5)
        np.testing.assert_allclose(members, ensemble.member_logits(torch.from_numpy(tensors)).numpy(), atol=1e-5)


def test_a_model_folder_gives_the_same_ensemble_back(ensemble, folder):
    tensors = torch.from_numpy(photos())
    with torch.inference_mode():
        torch.testing.assert_close(load_network(folder)(tensors), ensemble(tensors))


def test_an_ensemble_answers_and_passes_the_smoke_test_like_any_model(folder):
    smoke_test(folder)
    classifier = OnnxClassifier(folder)
    tensors = photos()[:, None]
    members = classifier.member_probabilities(tensors)
    assert members.shape == (3, 2, 3)
    mixed = 0.7 * members[:, 0] + 0.3 * members[:, 1]
    np.testing.assert_allclose(classifier.probabilities(tensors), softmax(np.log(mixed), 1.2), atol=1e-5)


def test_another_weight_is_another_model(folder, tmp_path):
    manifest = ModelManifest.load(folder)
    assert manifest.members == MEMBERS
    values = json.loads((folder / "model.json").read_text())
    values["members"][0]["weight"] = 0.6
    (tmp_path / "model.json").write_text(json.dumps(values))
    assert ModelManifest.load(tmp_path).answers_digest != manifest.answers_digest


def test_what_is_explained_is_the_first_member(ensemble, folder, tmp_path):
    tensor = photos(1)[0]
    (activation,) = open_class_activation(folder).maps(tensor, (1,))
    with torch.inference_mode():
        logit = ensemble.first(torch.from_numpy(tensor)[None])[0, 1].item()
    assert activation.mean() + ensemble.first.head.bias[1].item() == pytest.approx(logit, abs=1e-3)
    (gradients,) = open_explainer(folder, ExplanationSettings(method="saliency")).maps(tensor, (1,))
    assert gradients.shape == (SIZE, SIZE)
    write_head(folder, tmp_path)
    assert PhotoExplainer(tmp_path, OnnxClassifier(folder)).exact


def test_in_8_bits_the_first_convolution_of_each_member_and_the_mixing_stay_in_32(folder, tmp_path):
    quantise(folder / "model.onnx", [photos(2, seed) for seed in range(4)], tmp_path / "int8.onnx")
    graph = onnx.load(tmp_path / "int8.onnx").graph
    dequantised = {output for node in graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    plain = [node for node in convolutions if node.input[1] not in dequantised]
    assert (len(convolutions), len(plain)) == (12, 2)
    mixing = [node for node in graph.node if node.op_type in ("LogSoftmax", "ReduceLogSumExp", "Log", "Exp")]
    assert all(not dequantised & set(node.input) for node in mixing)

    optimise(tmp_path / "int8.onnx", tmp_path / "serving.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "serving.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"photos": photos()})
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-5)
