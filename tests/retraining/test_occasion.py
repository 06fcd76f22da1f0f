import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.home import Home
from quality_gate.ledger import Ledger
from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.performance_settings import PerformanceSettings
from quality_gate.retraining import occasion as module
from quality_gate.retraining.occasion import retraining_state
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.verdict import Review

TRAINED = datetime(2026, 3, 1, 8, tzinfo=UTC)
CLASSES = ("onion", "potato", "tomato")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path))
    return Home(tmp_path)


@pytest.fixture
def champion(home, make_entry, make_scores):
    """Version 7 of produce; two days after it another candidate was refused."""
    ledger = Ledger(home.registry("produce"))
    gate = {"rules": [], "passed": True, "warnings": []}
    shared = {"gate": gate, "metrics": make_scores().metrics.to_json(), "classes": list(CLASSES)}
    ledger.append(make_entry("promoted", "7", time=TRAINED.isoformat(), **shared))
    ledger.append(make_entry("refused", None, time=(TRAINED + timedelta(days=2)).isoformat(), **shared))
    return ledger.champion()


@pytest.fixture
def state(home, champion):
    return lambda: retraining_state(home, champion, PerformanceSettings(name="produce"))


@pytest.fixture
def looked_for_drift(home):
    """Writes the report of a drift run, some days after the training."""

    def write(days, verdict, version="7", drifted=("light",)):
        folder = home.drift("produce") / f"run {days}"
        folder.mkdir(parents=True)
        groups = [{"name": name, "drifted": name in drifted} for name in ("light", "size", "features")]
        last = (TRAINED + timedelta(days=days)).isoformat()
        report = {"model_version": version, "verdict": verdict, "last": last, "groups": groups}
        (folder / "drift.json").write_text(json.dumps(report))

    return write


def local(time):
    return time.astimezone().replace(tzinfo=None)


def test_of_a_new_champion_nothing_is_known_but_when_it_was_trained_and_tried(state):
    found = state()
    assert found.last_training == local(TRAINED)
    assert found.last_attempt == local(TRAINED + timedelta(days=2))
    assert (found.drift_alarm, found.promise_is_broken, found.new_reviewed_photos) == ("", False, 0)
    assert found.class_precision == {}
    assert found.macro_f1 is None


def test_the_figures_of_production_are_those_of_the_performance_report(state, monkeypatch):
    macro_f1, precision = (SimpleNamespace(interval=Interval(low, low + 0.1)) for low in (0.6, 0.7))
    classes = {"onion": SimpleNamespace(precision=precision), "potato": SimpleNamespace(precision=None)}
    whole = SimpleNamespace(scores={"macro_f1": macro_f1}, per_class=classes)
    report = SimpleNamespace(whole=whole, promise_is_broken=False)
    monkeypatch.setattr(module, "champion_report", lambda *_: report)
    found = state()
    assert found.macro_f1 == macro_f1.interval
    assert found.class_precision == {"onion": precision.interval}


def test_the_newest_window_of_the_champion_decides_about_drift(state, looked_for_drift):
    looked_for_drift(3, "alarm", drifted=("light", "features"))
    looked_for_drift(4, "not_enough_data")
    looked_for_drift(5, "alarm", version="6")
    assert state().drift_alarm == "light and features"
    looked_for_drift(6, "no_alarm", drifted=())
    assert state().drift_alarm == ""


def test_photos_count_that_were_first_labelled_after_the_training(home, state, make_prediction):
    answers = [make_prediction(review_reason="review", review_share=1.0, decision="review") for _ in range(3)]
    old, new, unclear = (answer.image_sha256 for answer in answers)
    database = Database.open(f"sqlite:///{home.predictions}")
    assert PredictionLog(database).write(answers) == []
    said = [
        (old, "onion", TRAINED - timedelta(days=1), "ana"),
        (old, "onion", TRAINED + timedelta(days=1), "ben"),
        (new, "potato", TRAINED + timedelta(days=1), "ana"),
        (unclear, None, TRAINED + timedelta(days=1), "ana"),
    ]
    ReviewDesk(database, "produce", classes=CLASSES).record_all(
        [Review(uuid4(), time, photo, who, "label" if label else "unknown", label) for photo, label, time, who in said]
    )
    database.close()
    assert state().new_reviewed_photos == 1
