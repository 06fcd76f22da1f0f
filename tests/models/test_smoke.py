import json
import logging
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from quality_gate.errors import UserError
from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import ModelManifest, file_digest
from quality_gate.models.smoke import smoke_test


@pytest.fixture
def model(write_tiny_model, tmp_path):
    return write_tiny_model(tmp_path / "model")


def edit_manifest(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_sound_model_answers_as_it_did(model, add_golden, caplog):
    smoke_test(add_golden(model))

    assert caplog.records == []


def test_a_model_that_was_made_without_golden_photos_is_taken_and_told(model, caplog):
    with caplog.at_level(logging.WARNING):
        smoke_test(model)

    assert [record.message.partition(" was made ")[2] for record in caplog.records] == [
        "without golden photos: it answers, but whether it answers as it did was not checked"
    ]


def damage_weight(folder):
    """Damages one weight, as a failing disk does before anybody notes the digest."""
    network = onnx.load(folder / "model.onnx")
    (weights,) = network.graph.initializer
    values = numpy_helper.to_array(weights).copy()
    values[0, 0] += 1
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    onnx.save(network, folder / "model.onnx")
    manifest = ModelManifest.load(folder)
    replace(manifest, digests={**manifest.digests, "onnx": file_digest(folder / "model.onnx")}).save(folder)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (damage_weight, r"model\.onnx: the golden photo of \w+ (is answered|has the probability)"),
        (
            lambda folder: edit_manifest(folder, classes=["potato", "onion", "tomato"]),
            r"the golden photo of onion is answered potato with 0\.\d{4}, and onion with 0\.\d{4} was expected",
        ),
        (
            lambda folder: edit_manifest(folder, classes=["onion", "potato", "pepper"]),
            "is answered with onion, potato, pepper, and onion, potato, tomato were expected",
        ),
        (
            lambda folder: edit_manifest(folder, temperature=1.3 * 1.1),
            r"photo of onion has the probability 0\.\d+ for \w+, and 0\.\d+ was expected \(the logarithms differ by",
        ),
        (
            lambda folder: edit_manifest(
                folder, preprocessing={**ModelManifest.load(folder).preprocessing.to_json(), "mean": [0.4, 0.5, 0.5]}
            ),
            "the golden photo of",
        ),
    ],
)
def test_a_model_that_answers_otherwise_than_it_did_is_told_with_the_photo(model, add_golden, damage, sentence):
    damage(add_golden(model))

    with pytest.raises(UserError, match=sentence) as caught:
        smoke_test(model)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.unlink(), r"golden\.json cannot be read \(No such file"),
        (lambda path: path.write_text(path.read_text().replace("onion", "leek")), r"golden\.json is not the file"),
    ],
)
def test_golden_photos_that_are_gone_or_changed_are_told(model, add_golden, damage, sentence):
    damage(add_golden(model) / "golden.json")

    with pytest.raises(UserError, match=sentence):
        smoke_test(model)


@pytest.mark.parametrize("file", ["model.json", "model.onnx"])
def test_a_missing_file_is_named(model, file):
    (model / file).unlink()

    with pytest.raises(UserError, match=file):
        smoke_test(model)


def test_a_network_changed_after_the_manifest_is_told_by_its_digest(model, write_tiny_model, tmp_path):
    other = write_tiny_model(tmp_path / "other", seed=1)
    (model / "model.onnx").write_bytes((other / "model.onnx").read_bytes())

    with pytest.raises(UserError, match="SHA-256"):
        smoke_test(model)


def test_classes_that_are_not_the_networks_are_told(model):
    edit_manifest(model, classes=["onion", "potato"])

    with pytest.raises(UserError, match=r"3 probabilities a photo, where model\.json names 2 classes"):
        smoke_test(model)


def test_probabilities_that_are_not_finite_are_told(model, monkeypatch):
    answer = OnnxClassifier.logits
    monkeypatch.setattr(OnnxClassifier, "logits", lambda self, tensors: answer(self, tensors) * np.float32("nan"))

    with pytest.raises(UserError, match="do not sum to 1"):
        smoke_test(model)


def test_a_network_that_fails_on_a_photo_is_told(model):
    spec = json.loads((model / "model.json").read_text())["preprocessing"]
    edit_manifest(model, preprocessing={**spec, "size": 64})

    with pytest.raises(UserError, match="fails on a photo") as caught:
        smoke_test(model)
    assert "\n" not in caught.value.message
