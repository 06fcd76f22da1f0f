"""``zenml pipeline run retraining``: what people said of photos of the operation joins the training of a gate."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from quality_gate.data.scenes import write_demo_photos
from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction import ImageStatistics, Prediction
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.photos import PhotoStore
from quality_gate.review.verdict import Review

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

NAME = "belt"
CLASSES = ("noise", "onion", "potato", "tomato")


@pytest.fixture(scope="module")
def retrain(checkout, configure, photos, train):
    """Runs the pipeline for a gate that has a champion already."""
    first = train(configure("belt.yaml", photos, name=NAME))
    assert first.code == 0, first.said

    def run(**changes):
        configuration = configure("belt.yaml", photos, name=NAME, **changes)
        return checkout.run("zenml", "pipeline", "run", "retraining", "--config", configuration)

    return run


@pytest.fixture(scope="module")
def database(gate):
    database = Database.open(f"sqlite:///{gate.home.predictions}")
    yield database
    database.close()


@pytest.fixture(scope="module")
def reviewed(retrain, gate, database, tmp_path_factory):
    """Twelve photos of each class that went to review, and what a person said of them."""
    folder = tmp_path_factory.mktemp("operation")
    write_demo_photos(folder, train_per_class=12, test_per_class=1, size=96, seed=9, workers=1)
    store = PhotoStore(gate.home.review_photos, max_bytes=10**9, retention=timedelta(days=9))
    desk = ReviewDesk(database, NAME, classes=CLASSES)
    labels = {}
    for path in sorted((folder / "train").rglob("*.jpg")):
        data = path.read_bytes()
        labels[sha256(data).hexdigest()] = path.parent.name
        store.keep(sha256(data).hexdigest(), data)
    assert PredictionLog(database).write([sent_to_review(photo) for photo in labels]) == []
    desk.record_all([review(photo, "ana", label) for photo, label in labels.items()])
    return labels


def sent_to_review(photo):
    """An answer that is always onion, and never sure."""
    image = ImageStatistics(96, 96, 4.0, 0.5, 0.2, 0.6, 0.5, 0.4, 830.5)
    return Prediction(
        id=uuid4(), time=datetime.now(UTC), image_sha256=photo, image_name="belt.jpg", gate=NAME, model_version="1",
        label="onion", probabilities={"onion": 0.6, "potato": 0.4}, confidence=0.6, decision="review", threshold=0.9,
        latency_ms=12.5, origin="service", image=image, review_reason="review", review_share=1.0,
    )  # fmt: skip


def review(photo, reviewer, label):
    return Review(uuid4(), datetime.now(UTC), photo, reviewer, "label", label)


def page_of(gate, said):
    """The report of the run that said this."""
    run = re.search(r"retraining-[\d_]+-[\d_]+", said)[0]
    return (gate.home.reports(NAME) / run / "retraining.html").read_text()


def test_before_anybody_has_reviewed_a_photo_the_run_says_what_is_missing(retrain):
    code, said = retrain()
    assert code == 1
    assert "belt: 0 photos of the operation are labelled, and retraining.min_reviewed_photos is 30; review more" in said
    assert "Traceback" not in said


def test_reviewed_photos_train_a_candidate_that_is_judged_on_both_tests(retrain, reviewed, gate):
    code, said = retrain()
    assert code == 0, said
    assert "retraining: 48 photos of the operation are labelled (noise 12, onion 12, potato 12, tomato 12)" in said
    assert "retraining: 36 of them had another answer" in said
    page = page_of(gate, said)
    assert "fixed test photos" in page
    assert "reviewed photos" in page
    assert "champion: belt:2, promoted by run retraining-" in said


def test_nothing_new_trains_nothing(retrain, reviewed):
    code, said = retrain()
    assert code == 0, said
    assert "Using cached version of step `train_transfer`" in said
    assert "champion: belt:2, " in said


def test_the_champion_may_be_the_start(retrain, reviewed):
    code, said = retrain(retraining={"start": "champion"})
    assert code == 0, said


def test_a_champion_is_no_start_where_the_photos_are_divided_otherwise(retrain, reviewed):
    code, said = retrain(retraining={"start": "champion"}, split={"test_share": 0.3})
    assert code == 1
    assert "split.test_share is 0.3, and belt:" in said
    assert "was trained with 0.2: it would be tested on photos it has learnt from." in said
    assert "Traceback" not in said


def test_photos_that_the_model_had_answered_wrongly_may_count_several_times(retrain, reviewed, gate):
    code, said = retrain(retraining={"hard_negative_copies": 3})
    assert code == 0, said
    assert "Using cached version of step `find_suspects`" in said
    assert "Using cached version of step `train_transfer`" not in said
    assert re.search(r"[1-9]\d* had been answered wrongly; each counts 3 times", page_of(gate, said))


def test_photos_on_which_people_disagree_are_held_back_and_listed(retrain, reviewed, database, gate):
    photo = next(photo for photo, label in reviewed.items() if label == "potato")
    ReviewDesk(database, NAME, classes=CLASSES).record_all([review(photo, "ben", "onion")])
    code, said = retrain()
    assert code == 0, said
    assert "retraining: 47 photos of the operation are labelled" in said
    assert "retraining: 1 are held back, because reviewers disagree" in said
    assert f"{photo[:16]}…" in page_of(gate, said)


def test_a_run_that_is_not_due_ends_well_and_trains_nothing(retrain, reviewed, gate):
    triggers = {"new_reviewed_photos": None, "every": None}
    before = len(list(gate.home.reports(NAME).iterdir()))
    code, said = retrain(retraining={"only_if_due": True, "triggers": triggers})
    assert code == 0, said
    assert "retraining: No reason to train anew." in said
    assert "Step `ingest`" not in said
    assert len(list(gate.home.reports(NAME).iterdir())) == before


def test_a_run_that_is_due_says_why(retrain, reviewed, gate):
    folder = gate.home.drift(NAME) / "drift-1"
    folder.mkdir(parents=True)
    rang = {
        "model_version": replace(gate, name=NAME).champion(),
        "verdict": "alarm",
        "last": "2026-03-04T10:00:00+00:00",
    }
    (folder / "drift.json").write_text(json.dumps(rang | {"groups": [{"name": "light", "drifted": True}]}))
    code, said = retrain(retraining={"only_if_due": True, "triggers": {"every": None, "rest_days": 0}})
    assert code == 0, said
    assert "retraining: Train anew: drift (light)." in said
    assert "Step `ingest`" in said or "Using cached version of step `ingest`" in said


def test_a_database_that_is_away_changes_nothing(checkout, configure, photos, retrain, reviewed, gate, monkeypatch):
    before = Path(gate.home.operational(NAME) / "labels.csv").read_bytes()
    monkeypatch.setitem(checkout.environment, "QUALITY_GATE_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    code, said = retrain()
    assert code == 1
    assert "The prediction log cannot be used: postgresql://127.0.0.1:9/none: " in said
    assert "Traceback" not in said
    assert Path(gate.home.operational(NAME) / "labels.csv").read_bytes() == before
