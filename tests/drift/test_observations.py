from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from quality_gate.drift.features import to_bytes
from quality_gate.drift.observations import Observations
from quality_gate.monitoring.prediction import ImageStatistics, Prediction

SEEN = np.array([0.5, -1.25], dtype=np.float16)


def prediction(**changes):
    one = Prediction(
        id=UUID(int=1),
        time=datetime(2026, 3, 4, tzinfo=UTC),
        image_sha256="0" * 64,
        image_name="",
        gate="produce",
        model_version="7",
        label="potato",
        probabilities={"potato": 0.8, "onion": 0.2},
        confidence=0.8,
        decision="accept",
        threshold=0.6,
        latency_ms=1.0,
        origin="service",
        image=ImageStatistics(640, 480, 99.999, 0.5, 0.2, 0.6, 0.5, 0.4, 99.0),
        features=to_bytes(SEEN),
    )
    return replace(one, **changes)


def observed(*predictions):
    return Observations.of(predictions, ("onion", "potato"), 2)


def test_an_answer_is_seen_with_all_that_is_compared():
    found = observed(prediction())
    columns = {name: values.item() for name, values in found.columns.items()}
    assert columns == pytest.approx(
        {
            "brightness": 0.5, "contrast": 0.2, "red_share": 0.4, "blue_share": 4 / 15, "sharpness": 2.0,
            "width": 640, "height": 480, "file_size": 2.0, "confidence": 0.8,
        }
    )  # fmt: skip
    assert found.predicted.tolist() == [1]
    np.testing.assert_array_equal(found.features, SEEN[None])


@pytest.mark.parametrize("logged", [None, to_bytes(SEEN[:1])])
def test_features_that_are_not_there_or_of_another_model_are_not_known(logged):
    found = observed(prediction(features=logged), prediction())
    assert found.with_features.tolist() == [False, True]


def test_an_answer_that_is_no_class_of_the_model_is_a_value_error():
    with pytest.raises(ValueError, match="answers are carrot; the model knows onion, potato"):
        observed(prediction(label="carrot", probabilities={"carrot": 1.0}))


def test_no_answers_are_observed_too():
    assert len(observed()) == 0


def test_they_come_back_from_their_arrays(draw):
    photos = draw(np.random.default_rng(0), 5)
    again = Observations.from_arrays(photos.arrays())
    assert again.classes == photos.classes
    np.testing.assert_array_equal(again.predicted, photos.predicted)
    np.testing.assert_array_equal(again.columns["red_share"], photos.columns["red_share"])
    np.testing.assert_allclose(again.features, photos.features, rtol=1e-3)


def test_some_of_them_can_be_taken(draw):
    photos = draw(np.random.default_rng(0), 5)
    taken = photos.take(np.array([3, 1]))
    assert taken.confidence.tolist() == photos.confidence[[3, 1]].tolist()
    assert taken.statistics["width"].tolist() == photos.statistics["width"][[3, 1]].tolist()
