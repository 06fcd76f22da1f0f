from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from quality_gate.errors import UserError
from quality_gate.evaluation.bootstrap import Interval
from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.performance.answers import Volume
from quality_gate.performance.gathering import inspected, read_production, scores_on_test
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.verdict import Review

NOW = datetime(2026, 3, 9, 8, tzinfo=UTC)
REVIEWED = {"decision": "review", "review_reason": "review", "review_share": 1.0}
AUDITED = {"review_reason": "audit", "review_share": 0.01}


def review(photo, label, reviewer="ana"):
    return Review(uuid4(), NOW, photo, reviewer, "label" if label else "unknown", label)


@pytest.fixture
def log(database_url, monkeypatch):
    """The log that the environment names."""
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", database_url)
    with PredictionLog(Database.open(database_url)) as log:
        yield log


def test_answers_that_went_to_a_person_come_with_what_was_said_and_others_are_counted(log, make_prediction):
    reviewed, audited, unseen = make_prediction(**REVIEWED), make_prediction(**AUDITED), make_prediction()
    other = make_prediction(**AUDITED, model_version="6")
    assert log.write([reviewed, audited, unseen, other]) == []
    desk = ReviewDesk(log.database, "produce", classes=("onion", "potato", "tomato"))
    desk.record_all([review(reviewed.image_sha256, "onion"), review(other.image_sha256, "onion")])
    answers, volumes = read_production("produce", "7")
    assert {one.id: (one.reason, one.share, one.true_label) for one in answers} == {
        str(reviewed.id): ("review", 1.0, "onion"),
        str(audited.id): ("audit", 0.01, None),
    }
    # The predictions are of Wednesday, 4 March 2026.
    assert volumes == {date(2026, 3, 2): Volume(accepted=2, to_review=1)}


def test_weeks_begin_on_monday_in_utc(log, make_prediction):
    times = [datetime(2026, 3, 8, 23, 59, tzinfo=UTC), datetime(2026, 3, 9, 0, 0, tzinfo=UTC)]
    assert log.write([make_prediction(time=time) for time in times]) == []
    assert read_production("produce", "7")[1] == {date(2026, 3, 2): Volume(1, 0), date(2026, 3, 9): Volume(1, 0)}


def test_an_empty_log_knows_nothing(log):
    assert read_production("produce", "7") == ([], {})


def test_of_several_labels_the_first_counts(make_prediction):
    prediction = make_prediction(**REVIEWED)
    photo = prediction.image_sha256
    assert inspected(prediction, [review(photo, "onion"), review(photo, "potato", "ben")]).true_label == "onion"
    assert inspected(prediction, [review(photo, "onion"), review(photo, "onion", "ben")]).true_label == "onion"
    assert inspected(prediction, [review(photo, None), review(photo, "onion", "ben")]).true_label == "onion"
    assert inspected(prediction, []).reviewed_at is None


def test_a_database_that_is_away_is_one_sentence(monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://ana:hunter2@127.0.0.1:9/none")
    with pytest.raises(UserError, match=r"^The prediction log cannot be used: .*; mend that and run again") as error:
        read_production("produce", "7")
    assert "hunter2" not in str(error.value)


def test_the_test_figures_of_a_champion_are_those_of_its_ledger(make_entry, make_scores):
    rules = [
        {"rule": "Brier score", "interval": {"low": 0.1, "high": 0.2}},
        {"rule": "expected calibration error", "interval": None},
    ]
    entry = make_entry("promoted", "1", metrics=make_scores(brier=0.15).metrics.to_json(), gate={"rules": rules})
    scores = scores_on_test(entry)
    assert scores.metrics.brier == 0.15
    assert scores.intervals == {"brier": Interval(0.1, 0.2)}
