import io
import json

import numpy as np
import pytest
from PIL import Image

from quality_gate.errors import UserError
from quality_gate.inference import OnnxClassifier
from quality_gate.models.smoke import smoke_test
from quality_gate.preprocess import UnreadableImage


@pytest.fixture
def model(write_tiny_model, tmp_path):
    return write_tiny_model(tmp_path / "model")


def edit_manifest(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def photo():
    buffer = io.BytesIO()
    Image.new("RGB", (40, 60), (200, 30, 30)).save(buffer, format="JPEG")
    return buffer.getvalue()


def test_a_sound_model_answers_a_photo_of_the_test_s_own_and_all_that_are_given(model, monkeypatch):
    answered = []
    answer = OnnxClassifier.probabilities
    monkeypatch.setattr(
        OnnxClassifier, "probabilities", lambda self, tensors: answered.append(len(tensors)) or answer(self, tensors)
    )

    smoke_test(model)
    smoke_test(model, [photo(), photo()])

    assert answered == [1, 3]


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


def test_a_photo_that_cannot_be_decoded_is_no_fault_of_the_model(model):
    with pytest.raises(UnreadableImage):
        smoke_test(model, [b"no photo"])
