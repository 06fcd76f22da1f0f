import copy
from dataclasses import replace

import onnx
import pytest
import torch

from quality_gate.data.photo_set import PhotoSets
from quality_gate.drift.reference import Reference
from quality_gate.evaluation import precision, served_model
from quality_gate.evaluation.gate import GateResult, limit_rule
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.evaluation.served_model import make_ready_to_serve
from quality_gate.inference import OnnxClassifier, softmax
from quality_gate.models import checkpoint
from quality_gate.models.folder import ModelFolder
from quality_gate.models.golden import answer_photo, read_golden_photos
from quality_gate.models.manifest import file_digest
from quality_gate.models.smoke import smoke_test
from quality_gate.models.zoo import TransferNetwork
from quality_gate.settings import CalibrationSettings, ServingSettings
from quality_gate.training.candidate import write_network

ANYTHING_GOES = ServingSettings(max_loss=1, min_agreement=0, calibration_photos=4)


@pytest.fixture
def model(write_tiny_model, tmp_path):
    folder = write_tiny_model(tmp_path / "model")
    (folder / "weights.safetensors").write_bytes(b"weights")
    return ModelFolder(folder)


def _latencies(models, ratio):
    return {contender: 10.0 if contender == "float32" else 10.0 * ratio for contender in models}


@pytest.fixture
def serve(model, make_photos, reporter, tmp_path, monkeypatch):
    """Makes the model ready; 8 bits take half the time, or ``ratio`` of it."""

    def served(settings=ANYTHING_GOES, ratio=0.5):
        monkeypatch.setattr(precision, "_latencies_ms", lambda models, photos: _latencies(models, ratio))
        classifier = OnnxClassifier(model.path)
        splits = []
        for seed in range(4):
            photos = make_photos(30, seed=seed)
            splits.append(replace(photos, labels=predict_logits(classifier, photos, reporter, "labels").argmax(axis=1)))
        probabilities = softmax(
            predict_logits(classifier, splits[3], reporter, "test"), classifier.manifest.temperature
        )
        arguments = (settings, CalibrationSettings(alpha=0.2), tmp_path / "made", reporter)
        return make_ready_to_serve(model, PhotoSets(*splits), probabilities, *arguments, seed=1)

    return served


def test_what_is_faster_and_as_good_is_served_in_8_bits(serve):
    served = serve()

    manifest = served.model.manifest
    assert served.comparison.verdicts["int8"].passed
    assert manifest.precision == "int8"
    types = {tensor.data_type for tensor in onnx.load(served.model.path / "serving.onnx").graph.initializer}
    assert onnx.TensorProto.INT8 in types
    smoke_test(served.model.path)


def test_in_8_bits_a_model_has_its_own_temperature_and_certificate(serve, model):
    manifest = serve().model.manifest

    assert manifest.temperature != model.manifest.temperature
    assert (manifest.routing.photos, manifest.routing.alpha) == (30, 0.2)


@pytest.mark.parametrize(
    ("settings", "ratio", "compared"), [(ANYTHING_GOES, 0.95, True), (ServingSettings(int8=False), 0.5, False)]
)
def test_otherwise_it_is_served_as_it_was_judged(serve, model, settings, ratio, compared):
    served = serve(settings, ratio)

    before, after = model.manifest, served.model.manifest
    assert (served.comparison is not None, served.problem) == (compared, "")
    assert (after.precision, after.temperature, after.routing) == ("float32", before.temperature, before.routing)
    smoke_test(served.model.path)


def test_a_network_that_cannot_be_quantised_is_served_as_it_was_judged_and_says_why(serve, monkeypatch):
    def refuse(*_):
        raise RuntimeError("no such operator:\n  Odd")

    monkeypatch.setattr(served_model, "quantise", refuse)

    served = serve()

    assert (served.model.manifest.precision, served.problem) == ("float32", "no such operator: Odd")
    assert served.comparison is None


@pytest.mark.parametrize("settings", [ANYTHING_GOES, ServingSettings(int8=False)])
def test_it_has_golden_photos_that_it_answers_as_it_is_served(serve, settings):
    model = serve(settings).model

    golden = read_golden_photos(model.path)
    assert [photo.label for photo in golden] == list(model.manifest.classes)
    assert model.manifest.digests["golden"] == file_digest(model.path / "golden.json")
    served = OnnxClassifier(model.path)
    assert [photo.probabilities for photo in golden] == [answer_photo(served, photo.image) for photo in golden]


@pytest.mark.parametrize("settings", [ANYTHING_GOES, ServingSettings(int8=False)])
def test_it_stays_the_model_it_was_and_names_the_file_that_answers(serve, model, settings):
    folder = serve(settings).model

    manifest = folder.manifest
    assert manifest.answers_digest == model.manifest.answers_digest
    assert manifest.network_file == "serving.onnx"
    assert manifest.network_digest == file_digest(folder.path / "serving.onnx")


@pytest.mark.parametrize("settings", [ANYTHING_GOES, ServingSettings(int8=False)])
def test_it_has_a_reference_for_drift_and_names_its_digest(serve, settings):
    folder = serve(settings).model

    assert folder.manifest.digests["reference"] == file_digest(folder.path / "reference.npz")
    assert len(Reference.load(folder.path).observations) == 60


def test_a_copy_of_it_is_whole(serve, tmp_path):
    folder = serve().model
    (tmp_path / "copy").mkdir()

    folder.save(tmp_path / "copy")

    smoke_test(tmp_path / "copy")
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {path.name for path in folder.path.iterdir()}


@pytest.fixture
def small_network(model):
    """A network of the zoo's kind in the model's folder, in the place of the tiny one."""
    torch.manual_seed(2)
    stages = [torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.Conv2d(8, 8, 3, stride=2)]
    network = TransferNetwork(stages, 1, 8, 3).eval()
    with torch.no_grad():
        network.head.weight *= 10
    manifest = model.manifest
    replace(manifest, digests=manifest.digests | write_network(network, 32, model.path)).save(model.path)
    return network


def test_one_that_was_trained_for_8_bits_holds_its_own_weights_and_tells_of_those_that_were_judged(
    serve, model, small_network, reporter, monkeypatch
):
    monkeypatch.setattr(reporter, "say", lambda line: None)
    monkeypatch.setattr(checkpoint, "load_network", lambda folder: copy.deepcopy(small_network))
    # The network as it is does not pass, the trained one does.
    verdicts = (GateResult((limit_rule("macro F1 lost", lost, "at most", 0.5),)) for lost in (1, 0))
    monkeypatch.setattr(precision, "_verdict", lambda *_: next(verdicts))

    served = serve(ANYTHING_GOES.model_copy(update={"quantisation_aware_epochs": 2}))

    assert (served.comparison.chosen, len(served.divergences)) == ("int8_trained", 3)
    folder, before = served.model.path, model.manifest
    digests = served.model.manifest.digests
    assert digests["judged_weights"] == before.digests["weights"] != digests["weights"]
    assert digests["weights"] == file_digest(folder / "weights.safetensors")
    assert digests["onnx"] == file_digest(folder / "model.onnx") != before.digests["onnx"]
    assert served.model.manifest.answers_digest == before.answers_digest
    assert served.model.manifest.precision == "int8"
    smoke_test(folder)
