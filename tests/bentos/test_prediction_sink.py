from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr

from bentos.answers import AnsweredPhoto
from bentos.prediction_sink import PredictionSink
from quality_gate.data.image_facts import audit_bytes
from quality_gate.data.scenes import encode_scene
from quality_gate.inference import Decision
from quality_gate.monitoring.log_settings import PredictionLogSettings
from quality_gate.monitoring.outbox import OutboxUnavailable
from quality_gate.monitoring.prediction_log import PredictionLog, Window
from quality_gate.review.intake import ReviewIntake
from quality_gate.review.photos import PhotoStore, PhotosUnavailable

PHOTO = encode_scene("tomato", 3, size=64)
FACTS = audit_bytes(PHOTO)
DECISION = Decision("tomato", 0.9, {"onion": 0.1, "tomato": 0.9}, "accept", "belt:7")
ANSWERED = AnsweredPhoto(DECISION, 0.6, FACTS.image_id, "belt/7.jpg\n", FACTS, 0.0125, PHOTO, b"seen")


@pytest.fixture
def settings(tmp_path):
    url = f"sqlite:///{tmp_path / 'log.db'}"
    return PredictionLogSettings(database_url=url, outbox=tmp_path / "outbox", poll_seconds=0.01)


@pytest.fixture
def photos(tmp_path):
    return PhotoStore(tmp_path / "photos", max_bytes=10**6, retention=timedelta(days=1))


@pytest.fixture
def sink(settings, photos):
    sink = PredictionSink(settings, ReviewIntake(photos, 0.0))
    yield sink
    sink.close()


def logged(settings):
    with PredictionLog.open(settings.database_url.get_secret_value()) as log:
        return [prediction for page in log.read(Window()) for prediction in page]


def test_what_is_recorded_is_in_the_database_when_the_worker_has_stopped(sink, settings):
    sink.record([ANSWERED, ANSWERED])
    sink.close()

    first, second = logged(settings)
    assert first.id != second.id
    assert isinstance(first.id, UUID)
    assert (first.gate, first.model_version, first.origin) == ("belt", "7", "service")
    assert (first.label, first.confidence, first.decision) == ("tomato", 0.9, "accept")
    assert (first.threshold, first.latency_ms, first.image_sha256) == (0.6, 12.5, FACTS.image_id)
    assert (first.image.sharpness, first.features) == (FACTS.sharpness, b"seen")


def test_a_name_of_a_photo_is_kept_as_one_line(sink, settings):
    sink.record([ANSWERED])
    sink.close()

    assert logged(settings)[0].image_name == "belt/7.jpg?"


def test_what_waits_for_a_database_that_is_away_is_counted(settings, photos):
    nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/nowhere")
    sink = PredictionSink(settings.model_copy(update={"database_url": nowhere}), ReviewIntake(photos, 0.0))
    sink.record([ANSWERED, ANSWERED])

    assert sink.backlog().rows == 2


def test_an_outbox_that_cannot_be_written_is_told_to_who_records(sink):
    sink.close()

    with pytest.raises(OutboxUnavailable):
        sink.record([ANSWERED])


def test_of_what_goes_to_review_the_photo_is_kept_before_the_answer_is_given(sink, settings, photos):
    sink.record([replace(ANSWERED, answer=replace(DECISION, decision="review")), ANSWERED])
    assert photos.read(FACTS.image_id) == PHOTO
    sink.close()

    assert {(one.review_reason, one.review_share) for one in logged(settings)} == {(None, None), ("review", 1.0)}


def test_of_what_is_accepted_only_the_drawn_share_is_kept(settings, photos):
    draws = iter([0.5, 0.001])
    sink = PredictionSink(settings, ReviewIntake(photos, 0.01, random=lambda: next(draws)))
    sink.record([ANSWERED])
    assert not photos.holds(FACTS.image_id)
    sink.record([ANSWERED])
    assert photos.holds(FACTS.image_id)
    sink.close()

    assert {(one.review_reason, one.review_share) for one in logged(settings)} == {(None, None), ("audit", 0.01)}


def test_where_a_photo_cannot_be_kept_nothing_is_recorded(sink, photos, settings):
    photos.folder.write_text("a file in place of the folder")

    with pytest.raises(PhotosUnavailable):
        sink.record([replace(ANSWERED, answer=replace(DECISION, decision="review"))])
    sink.close()

    assert logged(settings) == []
