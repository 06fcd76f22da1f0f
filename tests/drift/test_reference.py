from dataclasses import replace

import numpy as np
import pytest

from quality_gate.drift.features import FeatureProjection, from_bytes
from quality_gate.drift.reference import Reference
from quality_gate.errors import UserError
from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import ModelManifest
from quality_gate.models.watched_class import WatchedClass
from quality_gate.preprocess import preprocess


@pytest.fixture
def folder(model_with_reference):
    return model_with_reference


def test_it_holds_one_photo_of_each_group_of_calibration_and_test(folder, splits):
    reference = Reference.load(folder)
    assert len(reference.observations) == 9 + 8
    assert len(np.unique(splits.calibration.groups)) == 9
    assert reference.observations.classes == ("onion", "potato", "tomato")


def test_it_holds_what_the_model_answered_and_saw(folder, splits):
    observations = Reference.load(folder).observations
    classifier = OnnxClassifier(folder)
    last = list(splits.test.read())[-1]

    decision, features = classifier.answer(preprocess(last, classifier.manifest.preprocessing))

    assert observations.classes[observations.predicted[-1]] == decision.label
    assert observations.confidence[-1] == pytest.approx(decision.confidence)
    np.testing.assert_allclose(from_bytes(features), observations.features[-1], atol=2e-2)
    brightness = splits.test.snapshot.table["brightness"].iloc[-1]
    assert observations.statistics["brightness"][-1] == brightness


def test_it_holds_the_answers_that_the_threshold_of_a_watched_class_gives(folder, make_reference, splits):
    watched = WatchedClass("potato", 0.98, 0.0, 120, 0)
    replace(ModelManifest.load(folder), watched=watched).save(folder)
    make_reference(folder)
    observations = Reference.load(folder).observations
    assert {observations.classes[number] for number in observations.predicted} == {"potato"}
    assert observations.confidence.min() < 0.5


def test_an_answer_without_features_is_the_same_answer(folder, splits):
    classifier = OnnxClassifier(folder)
    tensor = preprocess(next(splits.test.read()), classifier.manifest.preprocessing)
    decision, features = classifier.answer(tensor)
    manifest = classifier.manifest
    replace(manifest, digests={"onnx": manifest.digests["onnx"]}).save(folder)

    alone, none = OnnxClassifier(folder).answer(tensor)

    assert alone == decision
    assert (features is not None, none) == (True, None)


def test_the_axes_are_not_fitted_to_the_reference_itself(folder, make_reference, splits, monkeypatch):
    fitted = []
    fit = FeatureProjection.fit
    monkeypatch.setattr(FeatureProjection, "fit", lambda features: fitted.append(len(features)) or fit(features))
    make_reference(folder)
    assert fitted == [len(splits.train)]


def test_the_same_photos_give_the_same_file(folder, make_reference):
    first = (folder / "reference.npz").read_bytes()
    make_reference(folder)
    assert (folder / "reference.npz").read_bytes() == first


def test_a_network_that_hands_out_no_features_has_a_reference_without(write_tiny_model, make_reference, tmp_path):
    folder = write_tiny_model(tmp_path / "plain")
    make_reference(folder)
    reference = Reference.load(folder)
    assert reference.projection is None
    assert not reference.observations.with_features.any()
    assert OnnxClassifier(folder).answer(np.zeros((1, 3, 32, 32), dtype=np.float32))[1] is None


def test_of_too_many_photos_some_are_drawn(folder, make_reference, monkeypatch):
    monkeypatch.setattr("quality_gate.drift.reference.MAX_PHOTOS", 6)
    make_reference(folder)
    assert len(Reference.load(folder).observations) == 6


def test_a_model_of_an_older_version_has_none_and_says_what_to_do(folder):
    manifest = ModelManifest.load(folder)
    replace(manifest, digests={"onnx": "e" * 64}).save(folder)
    with pytest.raises(UserError, match=r"visual_quality_gate:1 was made by an older version .* train again with"):
        Reference.load(folder)


def test_one_of_an_older_format_is_one_sentence_that_says_what_to_do(folder, make_reference, monkeypatch):
    monkeypatch.setattr("quality_gate.drift.reference.FORMAT_VERSION", 2)
    make_reference(folder)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"reference\.npz is of format 2; .* reads 3; train again with"):
        Reference.load(folder)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PK")])
def test_a_file_that_is_gone_or_damaged_is_one_sentence(folder, damage):
    damage(folder / "reference.npz")
    with pytest.raises(UserError, match=r"reference\.npz of visual_quality_gate:1 is missing or damaged"):
        Reference.load(folder)
