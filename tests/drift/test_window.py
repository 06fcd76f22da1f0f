from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from quality_gate.drift.features import to_bytes
from quality_gate.drift.reference import Reference
from quality_gate.drift.window import ObservedWindow, read_window
from quality_gate.drift_settings import DriftSettings
from quality_gate.errors import UserError
from quality_gate.monitoring.prediction import ImageStatistics, Prediction
from quality_gate.monitoring.prediction_log import PredictionLog

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SETTINGS = DriftSettings(name="produce", until=NOW.isoformat())


@pytest.fixture
def log(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'log.db'}"
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", url)
    monkeypatch.setenv("QUALITY_GATE_OUTBOX", str(tmp_path / "outbox"))
    with PredictionLog.open(url) as opened:
        yield opened


@pytest.fixture
def reference(draw):
    return Reference(draw(np.random.default_rng(0), 50), None)


def answers(count, *, hours_ago=1.0, version="7", label="potato", **changes):
    """Answers of the gate, the newest first."""
    return [
        Prediction(
            id=uuid4(),
            time=NOW - timedelta(hours=hours_ago, seconds=number),
            image_sha256=f"{number:064x}",
            image_name="",
            gate="produce",
            model_version=version,
            label=label,
            probabilities={label: 0.9},
            confidence=0.9,
            decision="accept",
            threshold=0.6,
            latency_ms=1.0,
            origin="service",
            image=ImageStatistics(640, 480, 100.0 + number, 0.5, 0.2, 0.6, 0.5, 0.4, 99.0),
            **changes,
        )
        for number in range(count)
    ]


def read(reference, settings=SETTINGS, known=frozenset({"6", "7"})):
    return read_window(settings, "7", set(known), reference)


def test_the_champions_answers_of_the_last_hours_are_read(log, reference):
    log.write([*answers(5), *answers(3, hours_ago=30), *answers(2, hours_ago=-1)])
    window = read(reference)
    assert (len(window.observations), window.found) == (5, 5)
    assert (window.first, window.last) == ("2026-03-04T10:59:56+00:00", "2026-03-04T11:00:00+00:00")
    assert window.observations.classes == reference.observations.classes
    assert len(window.reference) == 50


def test_the_newest_so_many_are_read(log, reference):
    log.write([*answers(5), *answers(3, hours_ago=30)])
    window = read(reference, SETTINGS.model_copy(update={"hours": None, "photos": 2}))
    assert window.observations.statistics["file_size_kb"].tolist() == [100.0, 101.0]


def test_of_more_than_can_be_used_some_are_drawn_from_all_of_it(log, reference):
    log.write(answers(300))
    settings = SETTINGS.model_copy(update={"max_photos": 100})
    window, again = read(reference, settings), read(reference, settings)
    sizes = window.observations.statistics["file_size_kb"]
    assert (len(sizes), window.found) == (100, 300)
    assert sizes.min() < 120
    assert sizes.max() > 380
    np.testing.assert_array_equal(again.observations.statistics["file_size_kb"], sizes)


def test_answers_of_other_versions_are_left_out_and_counted(log, reference):
    log.write([*answers(5), *answers(3, version="6"), *answers(2, version="99")])
    window = read(reference)
    assert len(window.observations) == 5
    assert (window.left_out, window.unknown_versions) == ({"6": 3, "99": 2}, ("99",))


def test_an_empty_log_is_an_empty_window(log, reference):
    window = read(reference)
    assert (len(window.observations), window.found, window.first, window.left_out) == (0, 0, "", {})


def test_features_are_read_where_they_were_logged(log, reference):
    seen = np.arange(12, dtype=np.float16)
    log.write([*answers(1, features=to_bytes(seen)), *answers(1)])
    window = read(reference)
    assert sorted(window.observations.with_features.tolist()) == [False, True]


def test_answers_that_are_no_class_of_the_champion_are_one_sentence(log, reference):
    log.write(answers(1, label="carrot"))
    with pytest.raises(UserError, match=r"holds answers of produce:7 that are not of this model \(answers are carrot"):
        read(reference)


def test_a_database_that_is_away_is_one_sentence(reference, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://user:secret@127.0.0.1:1/nowhere")
    with pytest.raises(UserError, match=r"The prediction log cannot be used: .*; mend that and run again") as caught:
        read(reference)
    assert "secret" not in str(caught.value)


def test_a_window_comes_back_as_it_was_saved(log, reference, tmp_path):
    log.write([*answers(5), *answers(3, version="6")])
    window = read(reference)
    window.save(tmp_path)
    again = ObservedWindow.load(tmp_path)
    assert replace(again, observations=window.observations, reference=window.reference) == window
    assert again.observations.confidence.tolist() == window.observations.confidence.tolist()
    assert len(again.reference) == 50
