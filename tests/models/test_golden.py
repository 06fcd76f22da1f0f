import json
from dataclasses import replace

import pytest

from quality_gate.inference import OnnxClassifier
from quality_gate.models.golden import MOST_OFF, GoldenPhoto, OtherAnswer, read_golden_photos, write_golden_photos
from quality_gate.models.manifest import UnknownModelFormat


@pytest.fixture
def model(write_tiny_model, add_golden, tmp_path):
    return add_golden(write_tiny_model(tmp_path / "model"))


@pytest.fixture
def classifier(model):
    return OnnxClassifier(model)


@pytest.fixture
def photo(model):
    return read_golden_photos(model)[0]


def test_what_is_written_is_read_again_bit_by_bit(model, tmp_path):
    photos = read_golden_photos(model)
    write_golden_photos(photos, tmp_path)

    assert {photo.label for photo in photos} == {"onion", "potato", "tomato"}
    assert (tmp_path / "golden.json").read_bytes() == (model / "golden.json").read_bytes()


def test_a_model_of_which_the_manifest_names_none_has_none(write_tiny_model, tmp_path):
    assert read_golden_photos(write_tiny_model(tmp_path)) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no readable golden photos"),
        ("[]", "no readable golden photos"),
        ('{"photos": []}', "no readable golden photos"),
        ('{"format_version": 2}', "format version 2; this version reads 1"),
        ('{"format_version": 1, "photos": [{"label": "onion", "image": "?"}]}', "no readable golden photos"),
    ],
)
def test_a_file_of_another_kind_is_told(model, content, reason):
    (model / "golden.json").write_text(content)

    with pytest.raises(UnknownModelFormat, match=rf"golden\.json: {reason}"):
        read_golden_photos(model)


def with_another_share(photo, factor):
    """The photo with the least probability multiplied, as of a model that is less sure by that."""
    rarest = min(photo.probabilities, key=photo.probabilities.__getitem__)
    return replace(photo, probabilities={**photo.probabilities, rarest: photo.probabilities[rarest] * factor})


@pytest.mark.parametrize(("precision", "passes", "fails"), [("float32", 1.01, 1.03), ("int8", 1.5, 1.8)])
def test_a_probability_may_differ_by_as_much_as_processors_do(classifier, photo, precision, passes, fails):
    classifier.manifest = replace(classifier.manifest, precision=precision)
    with_another_share(photo, passes).check(classifier)

    with pytest.raises(OtherAnswer, match=f"at most {MOST_OFF[precision]:g} is allowed"):
        with_another_share(photo, fails).check(classifier)


def test_probabilities_that_are_as_good_as_nothing_are_not_compared(classifier, photo, monkeypatch):
    answers = [dict(zip(classifier.manifest.classes, (1 - tail, tail, 0.0), strict=True)) for tail in (1e-30, 1e-20)]
    monkeypatch.setattr("quality_gate.models.golden.answer_photo", lambda *_: answers[0])

    GoldenPhoto("onion", photo.image, answers[1]).check(classifier)
    assert json.loads(json.dumps(answers[1])) == answers[1]
