import io
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from quality_gate.inference import OnnxClassifier, average_views, softmax
from quality_gate.models.manifest import ModelManifest, UnknownModelFormat
from quality_gate.models.watched_class import WatchedClass
from quality_gate.preprocess import UnreadableImage, preprocess

logit_rows = arrays(np.float32, (4, 3), elements=st.floats(-50, 50, width=32))


def photo(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 60), colour).save(buffer, format="PNG")
    return buffer.getvalue()


PHOTOS = [photo("red"), photo("white"), photo((20, 200, 90))]


@pytest.fixture
def folder(write_tiny_model, tmp_path):
    return write_tiny_model(tmp_path / "model")


@given(logits=logit_rows, temperature=st.floats(0.1, 10))
@settings(deadline=None, max_examples=50)
def test_probabilities_are_positive_sum_to_one_and_keep_the_order_of_the_logits(logits, temperature):
    probabilities = softmax(logits, temperature)

    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    ranked = np.argsort(logits, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(probabilities, ranked, axis=1)) >= 0).all()


@given(logits=logit_rows, shift=st.floats(-1000, 1000))
@settings(deadline=None, max_examples=50)
def test_only_differences_of_logits_count(logits, shift):
    np.testing.assert_allclose(softmax(logits.astype(float) + shift), softmax(logits), atol=1e-9)


def test_a_higher_temperature_is_less_sure_and_huge_logits_do_not_overflow():
    logits = np.array([1.0, 2.0, 4.0])

    assert softmax(logits, 2.0).max() < softmax(logits).max() < softmax(logits, 0.5).max()
    np.testing.assert_allclose(softmax(np.array([1e4, -1e4])), [1, 0])


def test_an_answer_is_the_most_probable_class_of_the_calibrated_probabilities(folder):
    classifier = OnnxClassifier(folder)
    manifest = classifier.manifest
    tensors = np.stack([preprocess(data, manifest.preprocessing) for data in PHOTOS])
    expected = softmax(classifier.logits(tensors), manifest.temperature)

    decisions = classifier.predict(PHOTOS)

    for decision, row in zip(decisions, expected, strict=True):
        assert list(decision.probabilities) == list(manifest.classes)
        np.testing.assert_allclose(list(decision.probabilities.values()), row)
        assert decision.label == manifest.classes[row.argmax()]
        assert decision.confidence == max(decision.probabilities.values())
        assert decision.model_version == "visual_quality_gate:1"
    assert classifier.logits(tensors).dtype == np.float32


@given(logits=arrays(np.float32, (2, 3, 4), elements=st.floats(-30, 30, width=32)))
@settings(deadline=None)
def test_views_are_averaged_as_probabilities(logits):
    averaged = softmax(average_views(logits))

    np.testing.assert_allclose(averaged, softmax(logits).mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(averaged, softmax(average_views(logits[:, ::-1])), atol=1e-6)


def test_the_logits_of_a_single_view_stay_as_they_are():
    logits = np.array([[[3.0, -2.0]], [[0.5, 0.25]]], dtype=np.float32)

    assert (average_views(logits) == logits[:, 0]).all()


def test_a_view_that_is_sure_of_a_wrong_class_leaves_finite_logits():
    assert np.isfinite(average_views(np.array([[[400.0, -400.0], [400.0, -400.0]]], dtype=np.float32))).all()


def test_a_model_of_several_views_answers_with_their_mean(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    manifest = ModelManifest.load(folder)
    views = ("squash", "letterbox")

    def answer(*chosen):
        spec = replace(manifest.preprocessing, views=chosen)
        replace(manifest, preprocessing=spec, temperature=1.0).save(tmp_path)
        return [list(decision.probabilities.values()) for decision in OnnxClassifier(tmp_path).predict(PHOTOS)]

    np.testing.assert_allclose(answer(*views), np.mean([answer(view) for view in views], axis=0), atol=1e-6)


def test_a_photo_is_answered_alike_alone_and_among_others(folder):
    classifier = OnnxClassifier(folder, threads=2)

    together = classifier.predict(PHOTOS)

    for data, decision in zip(PHOTOS, together, strict=True):
        alone = classifier.predict([data])[0]
        assert alone.label == decision.label
        assert alone.confidence == pytest.approx(decision.confidence, abs=1e-6)


@pytest.mark.parametrize(("confidence", "expected"), [(0.59, "review"), (0.6, "accept"), (0.9, "accept")])
def test_an_answer_is_accepted_from_the_certified_threshold_on(folder, confidence, expected):
    rest = (1 - confidence) / 2

    decision = OnnxClassifier(folder).decide(np.array([rest, confidence, rest]))

    assert (decision.label, decision.decision) == ("potato", expected)


@pytest.mark.parametrize("certified", [False, None])
def test_without_a_certified_threshold_every_answer_is_reviewed(folder, certified):
    manifest = ModelManifest.load(folder)
    routing = None if certified is None else replace(manifest.routing, threshold=None, risk_upper_bound=None)
    replace(manifest, routing=routing).save(folder)

    assert OnnxClassifier(folder).decide(np.array([0.0, 1.0, 0.0])).decision == "review"


def test_the_watched_class_is_the_label_from_its_threshold_on_and_is_reviewed_where_it_is_improbable(folder):
    manifest = ModelManifest.load(folder)
    replace(manifest, watched=WatchedClass("tomato", 0.98, 0.05, 120, 2)).save(folder)
    classifier = OnnxClassifier(folder)
    raised, sure = (classifier.decide(np.array(row)) for row in ([0.94, 0.01, 0.05], [0.95, 0.01, 0.04]))
    assert (raised.label, raised.confidence, raised.decision) == ("tomato", 0.05, "review")
    assert (sure.label, sure.decision) == ("onion", "accept")
    assert raised.probabilities == {"onion": 0.94, "potato": 0.01, "tomato": 0.05}


def test_a_model_that_is_not_promoted_calls_itself_a_candidate(write_tiny_model, tmp_path):
    classifier = OnnxClassifier(write_tiny_model(tmp_path / "model", version=None))

    assert classifier.predict(PHOTOS[:1])[0].model_version == "visual_quality_gate:candidate"


def test_an_answer_is_plain_json(folder):
    decision = OnnxClassifier(folder).predict(PHOTOS[:1])[0]

    assert set(decision.to_json()) == {"label", "confidence", "probabilities", "decision", "model_version"}
    assert type(decision.to_json()["confidence"]) is float
    assert {type(value) for value in decision.probabilities.values()} == {float}


def test_an_unreadable_photo_is_told(folder):
    with pytest.raises(UnreadableImage, match="empty"):
        OnnxClassifier(folder).predict([PHOTOS[0], b""])


def test_a_missing_or_damaged_network_is_named(folder):
    network = folder / "model.onnx"
    network.write_bytes(network.read_bytes()[:-40])
    with pytest.raises(UnknownModelFormat, match=r"model\.onnx"):
        OnnxClassifier(folder)

    network.unlink()
    with pytest.raises(UnknownModelFormat, match=r"model\.onnx"):
        OnnxClassifier(folder)


def test_answering_imports_no_training_library(folder):
    program = (
        "import sys; from pathlib import Path; from quality_gate.inference import OnnxClassifier;"
        "OnnxClassifier(Path(sys.argv[1]));"
        "print(sorted({'torch', 'torchvision', 'timm', 'pandas', 'sklearn', 'mlflow', 'zenml'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"
