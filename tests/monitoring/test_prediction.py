import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from quality_gate.data.image_facts import measure
from quality_gate.monitoring.prediction import MAX_NAME_LENGTH, ImageStatistics, Prediction, loggable_name

UNIT = st.floats(0, 1)
POSITIVE = st.floats(0, 1e12)
EDGE = st.integers(1, 2**31 - 1)
NAME = st.text().map(loggable_name)
LABEL = NAME.filter(bool)
REVIEW = st.one_of(
    st.just({}),
    st.just({"review_reason": "review", "review_share": 1.0}),
    st.builds(lambda share: {"review_reason": "audit", "review_share": share}, st.floats(0, 1, exclude_min=True)),
)


@st.composite
def predictions(draw):
    probabilities = draw(st.dictionaries(LABEL, UNIT, min_size=1, max_size=5))
    label = draw(st.sampled_from(sorted(probabilities)))
    return Prediction(
        id=draw(st.uuids()),
        time=draw(st.datetimes(timezones=st.just(UTC))),
        image_sha256=f"{draw(st.integers(0, 2**256 - 1)):064x}",
        image_name=draw(NAME),
        gate=draw(LABEL),
        model_version=draw(LABEL),
        label=label,
        probabilities=probabilities,
        confidence=probabilities[label],
        decision=draw(st.sampled_from(["accept", "review"])),
        threshold=draw(st.none() | UNIT),
        latency_ms=draw(POSITIVE),
        origin=draw(st.sampled_from(["service", "batch"])),
        image=draw(
            st.builds(ImageStatistics, EDGE, EDGE, POSITIVE, UNIT, UNIT, UNIT, UNIT, UNIT, POSITIVE)
        ),
        **draw(REVIEW),
        features=draw(st.none() | st.binary(max_size=40).map(lambda half: half + half)),
    )  # fmt: skip


@given(predictions())
def test_a_prediction_comes_back_from_its_line_as_it_was(prediction):
    line = prediction.to_json()
    assert len(line.splitlines()) == 1
    again = Prediction.from_json(line)
    assert again == prediction
    assert list(again.probabilities) == list(prediction.probabilities)
    assert Prediction.from_json(line.encode()) == prediction


def test_a_line_from_before_there_were_reviews_is_read(make_prediction):
    values = json.loads(make_prediction(review_reason="audit").to_json())
    del values["review_reason"], values["review_share"]
    assert Prediction.from_json(json.dumps(values)).review_reason is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "00000000-0000-0000-0000-000000000001"),
        ("time", datetime(2026, 3, 4)),
        ("time", datetime(2026, 3, 4, tzinfo=timezone(timedelta(hours=1)))),
        ("time", "2026-03-04"),
        ("image_sha256", "A" * 64),
        ("image_sha256", "a" * 63),
        ("image_sha256", "a" * 64 + "\n"),
        ("image_name", "a\0b"),
        ("image_name", "two\nlines"),
        ("image_name", "\ud800"),
        ("image_name", "x" * 256),
        ("image_name", None),
        ("gate", ""),
        ("model_version", ""),
        ("label", "carrot"),
        ("probabilities", {}),
        ("probabilities", {"potato": float("nan")}),
        ("probabilities", {"potato": 1.1}),
        ("probabilities", {"potato": "0.5"}),
        ("confidence", -0.1),
        ("confidence", True),
        ("decision", "maybe"),
        ("origin", "belt"),
        ("threshold", float("inf")),
        ("latency_ms", -1.0),
        ("review_reason", "boredom"),
        ("review_share", 0.5),
        ("features", b"odd"),
        ("features", b"ab" * 3000),
        ("features", "text"),
    ],
)
def test_what_cannot_be_logged_is_refused_with_the_name_of_the_field(make_prediction, field, value):
    with pytest.raises(ValueError, match=f"^{field}|^label is 'potato'"):
        make_prediction(**{field: value})


@pytest.mark.parametrize(("reason", "share"), [("review", 0.5), ("audit", 0.0), ("audit", 1.1), ("audit", None)])
def test_a_share_that_is_none_is_refused(make_prediction, reason, share):
    with pytest.raises(ValueError, match=r"^review_share is"):
        make_prediction(review_reason=reason, review_share=share)


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 0), ("height", 2**31), ("width", 3.0), ("brightness", 1.01), ("sharpness", -1.0), ("contrast", None)],
)
def test_impossible_statistics_are_refused_with_the_name_of_the_field(make_prediction, field, value):
    with pytest.raises(ValueError, match=f"^{field} is"):
        replace(make_prediction().image, **{field: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("label"),
        lambda values: values.update(colour="red"),
        lambda values: values.update(id=17),
        lambda values: values.update(id="no"),
        lambda values: values.update(time="yesterday"),
        lambda values: values.update(time="2026-03-04T10:00:00"),
        lambda values: values.update(image=[1, 2]),
        lambda values: values.update(features="no base64!"),
        lambda values: values.update(features=[1, 2]),
        lambda values: values.update(probabilities=[0.5]),
        lambda values: values["image"].pop("width"),
    ],
)
def test_a_line_that_is_no_prediction_is_a_value_error(make_prediction, change):
    values = json.loads(make_prediction().to_json())
    change(values)
    with pytest.raises(ValueError, match=r"."):
        Prediction.from_json(json.dumps(values))


def test_a_line_from_before_features_were_logged_is_read(make_prediction):
    prediction = make_prediction()
    assert "features" not in json.loads(prediction.to_json())
    assert Prediction.from_json(prediction.to_json()).features is None


@pytest.mark.parametrize("line", ["", "null", "[]", "7", "{", b"\xff", "[" * 100_000])
def test_junk_is_a_value_error(line):
    with pytest.raises(ValueError, match=r"."):
        Prediction.from_json(line)


@given(st.text(max_size=400))
def test_any_name_can_be_made_loggable_and_then_stays_as_it_is(name):
    loggable = loggable_name(name)
    assert len(loggable) == min(len(name), MAX_NAME_LENGTH)
    assert loggable.isprintable() or loggable.encode()
    assert len(loggable.splitlines()) <= 1
    assert loggable_name(loggable) == loggable


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\x1b", "\x85", "\u2028", "\udcff"])
def test_characters_that_no_log_should_hold_become_question_marks(character):
    assert loggable_name(f"a{character}b.jpg") == "a?b.jpg"


def test_of_a_long_name_the_end_is_kept():
    assert loggable_name("x" * 300 + ".jpg") == "x" * 251 + ".jpg"


def test_the_statistics_are_those_of_the_audit():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.info = {"mode": "RGB", "size": image.size}
    facts = measure(image, b"x" * 2048)
    found = ImageStatistics.of(facts)
    assert (found.width, found.height, found.file_size_kb) == (30, 20, 2.0)
    assert found.brightness == facts.brightness
    assert found.sharpness == facts.sharpness


def test_equal_answers_at_other_times_differ(make_prediction):
    one, other = make_prediction(), make_prediction()
    assert one != other
    assert replace(other, id=one.id) != one
    assert isinstance(one.id, UUID)
