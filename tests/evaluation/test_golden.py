import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from quality_gate.evaluation import golden as module
from quality_gate.evaluation.golden import add_golden_photos
from quality_gate.inference import OnnxClassifier
from quality_gate.models.folder import ModelFolder
from quality_gate.models.golden import read_golden_photos
from quality_gate.models.manifest import file_digest


@pytest.fixture
def model(write_tiny_model, tmp_path):
    return ModelFolder(write_tiny_model(tmp_path / "model"))


@pytest.fixture
def answered(model, make_photos):
    """Photos whose labels are what the model answers."""
    photos = make_photos(60)
    answers = OnnxClassifier(model.path).predict(list(photos.read()))
    return replace(photos, labels=np.array([photos.classes.index(answer.label) for answer in answers]))


def test_of_each_class_the_surest_photo_is_taken_and_noted_in_the_manifest(model, answered, monkeypatch):
    monkeypatch.setattr(module, "CANDIDATES", 60)
    add_golden_photos(model, answered)

    golden = read_golden_photos(model.path)
    assert [photo.label for photo in golden] == list(answered.classes)
    assert model.manifest.digests["golden"] == file_digest(model.path / "golden.json")
    answers = OnnxClassifier(model.path).predict(list(answered.read()))
    for photo in golden:
        surest = max(answer.confidence for answer in answers if answer.label == photo.label)
        # The original is larger, and no JPEG.
        assert photo.probabilities[photo.label] == pytest.approx(surest, abs=0.1)


def test_a_class_of_which_no_photo_is_answered_right_has_none(model, answered):
    labels = np.where(answered.labels == 1, 2, answered.labels)
    add_golden_photos(model, replace(answered, labels=labels))

    assert [photo.label for photo in read_golden_photos(model.path)] == ["onion", "tomato"]


def test_a_model_that_answers_nothing_right_is_left_as_it_is(model, answered):
    before = model.manifest
    add_golden_photos(model, replace(answered, labels=(answered.labels + 1) % 3))

    assert model.manifest == before
    assert not (model.path / "golden.json").exists()


def test_photos_are_small_upright_and_without_metadata(model, answered):
    large = Image.new("RGB", (400, 200), (200, 30, 30))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "belt 3"
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", exif=exif, comment=b"secret")
    label = OnnxClassifier(model.path).predict([buffer.getvalue()])[0].label
    first = answered.image_ids[0]
    photos = replace(
        answered,
        snapshot=type(answered.snapshot)({first: buffer.getvalue()}),
        image_ids=(first,),
        labels=np.array([answered.classes.index(label)]),
    )
    add_golden_photos(model, photos)

    (golden,) = read_golden_photos(model.path)
    with Image.open(io.BytesIO(golden.image)) as image:
        assert (image.format, image.size) == ("JPEG", (16, 32))
        assert not image.getexif()
        assert "comment" not in image.info


def test_the_same_model_and_photos_give_the_same_file(model, answered, write_tiny_model, tmp_path):
    again = ModelFolder(write_tiny_model(tmp_path / "again"))
    for folder in (model, again):
        add_golden_photos(folder, answered)

    assert (model.path / "golden.json").read_bytes() == (again.path / "golden.json").read_bytes()


def test_more_classes_than_fit_are_passed_over(model, answered, monkeypatch):
    monkeypatch.setattr(module, "MOST_CLASSES", 2)
    add_golden_photos(model, answered)

    assert [photo.label for photo in read_golden_photos(model.path)] == ["onion", "potato"]
