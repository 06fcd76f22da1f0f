from datetime import UTC, datetime
from uuid import uuid4

import pytest

from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.retraining.gathering import gather_operational_photos
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.settings import read_review_settings
from quality_gate.review.verdict import Review

CLASSES = ("onion", "potato")
PHOTO = "ab" * 32


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path))
    return Home(tmp_path)


def test_what_was_said_at_the_desk_joins_the_operational_dataset(database_url, home, monkeypatch, make_prediction):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", database_url)
    read_review_settings().open_photos().keep(PHOTO, b"photo")
    database = Database.open(database_url)
    answer = make_prediction(gate="belt", image_sha256=PHOTO, label="onion", review_reason="review", review_share=1.0)
    assert PredictionLog(database).write([answer]) == []
    ReviewDesk(database, "belt", classes=CLASSES).record(
        Review(uuid4(), datetime.now(UTC), PHOTO, "ana", "label", "potato")
    )
    database.close()
    found = gather_operational_photos(home, "belt", CLASSES)
    assert (found.labels, found.mistaken) == ({PHOTO: "potato"}, {PHOTO})
    assert found.labels_file == home.operational("belt") / "labels.csv"
    assert gather_operational_photos(home, "another", CLASSES).labels == {}


def test_a_database_that_is_away_is_one_sentence_and_changes_nothing(home, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://ana:hunter2@127.0.0.1:9/none")
    with pytest.raises(UserError, match=r"^The reviews cannot be read \(.*\); nothing was changed") as error:
        gather_operational_photos(home, "belt", CLASSES)
    assert "hunter2" not in str(error.value)
    assert not home.operational("belt").exists()
