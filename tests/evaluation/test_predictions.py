import numpy as np
import pytest

from quality_gate.errors import UserError
from quality_gate.evaluation.predictions import Predictions, predict_logits
from quality_gate.inference import OnnxClassifier, softmax
from quality_gate.preprocess import UnreadableImage, preprocess


@pytest.fixture
def classifier(write_tiny_model, tmp_path):
    return OnnxClassifier(write_tiny_model(tmp_path / "model"))


def test_answers_are_in_the_order_of_the_photos_and_those_that_are_served(classifier, make_photos, reporter):
    photos = make_photos(9)
    logits = predict_logits(classifier, photos, reporter, "test")
    assert (logits.shape, logits.dtype) == ((9, 3), np.float32)
    served = [list(answer.probabilities.values()) for answer in classifier.predict(list(photos.read()))]
    np.testing.assert_allclose(softmax(logits, classifier.manifest.temperature), served, atol=1e-6)


def test_an_answer_does_not_depend_on_the_photos_beside_it(classifier, make_photos, reporter):
    photos = make_photos(7)
    together = predict_logits(classifier, photos, reporter, "test")
    for row, photo in zip(together, photos.read(), strict=True):
        np.testing.assert_array_equal(
            row, classifier.logits(preprocess(photo, classifier.manifest.preprocessing)[None])[0]
        )


def test_every_photo_moves_the_bar(classifier, make_photos, reporter):
    predict_logits(classifier, make_photos(4), reporter, "validation")
    assert reporter.moves == {"answers for validation": [(1, 4), (2, 4), (3, 4), (4, 4)]}


def test_a_photo_that_cannot_be_read_is_not_left_out(classifier, make_photos, reporter):
    photos = make_photos(3)
    photos.snapshot.by_id[photos.image_ids[1]] = b"no photo"
    with pytest.raises(UnreadableImage):
        predict_logits(classifier, photos, reporter, "test")


@pytest.mark.parametrize(("version", "way_out"), [(None, "transfer.learning_rate"), ("3", "quality-gate rollback")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_ends_in_a_sentence(
    write_tiny_model, tmp_path, make_photos, reporter, monkeypatch, version, way_out, value
):
    classifier, photos = OnnxClassifier(write_tiny_model(tmp_path / "model", version=version)), make_photos(5)
    broken = preprocess(photos.snapshot.by_id[photos.image_ids[3]], classifier.manifest.preprocessing)
    answer = classifier.logits

    def logits(tensors):
        found = answer(tensors)
        return np.full_like(found, value) if np.array_equal(tensors[0], broken) else found

    monkeypatch.setattr(classifier, "logits", logits)
    with pytest.raises(UserError) as caught:
        predict_logits(classifier, photos, reporter, "test")
    model = f"visual_quality_gate:{version or 'candidate'}"
    assert caught.value.message.startswith(f"{model} gives no finite answer for 1 of 5 photos (test), photo 0 3.png")
    assert way_out in caught.value.message


def test_predictions_are_the_same_after_a_stay_on_disk(tmp_path):
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 5)
    Predictions(probabilities).save(tmp_path)
    loaded = Predictions.load(tmp_path).probabilities
    np.testing.assert_array_equal(loaded, probabilities)
    assert loaded.dtype == np.float64


def test_predictions_that_would_have_to_be_pickled_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        Predictions(np.array([{}], dtype=object)).save(tmp_path)
