"""``zenml pipeline run performance``: how good the champion of the session's checkout is in production."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction import ImageStatistics, Prediction
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.verdict import Review

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

CLASSES = ("noise", "onion", "potato", "tomato")


@pytest.fixture(scope="module")
def judge(checkout, champion):
    """Runs the pipeline the way a user does; parameters that are named stand in its configuration."""

    def run(**parameters):
        (checkout.work / "performance.yaml").write_text(yaml.safe_dump({"parameters": parameters}))
        return checkout.run("zenml", "pipeline", "run", "performance", "--config", "performance.yaml")

    return run


def answered(number, gate, *, audited):
    """One of the answers of the champion, all of them onion."""
    way = ("accept", "audit", 0.5) if audited else ("review", "review", 1.0)
    decision, reason, share = way
    time = datetime(2026, 3, 4, 10, tzinfo=UTC) + timedelta(minutes=number)
    return Prediction(
        id=uuid4(), time=time, image_sha256=f"{number:064x}", image_name="belt.jpg", gate=gate.name, model_version="1",
        label="onion", probabilities={"onion": 0.7, "potato": 0.1, "tomato": 0.1, "noise": 0.1}, confidence=0.7,
        decision=decision, threshold=0.6, latency_ms=12.5, origin="service", review_reason=reason, review_share=share,
        image=ImageStatistics(96, 96, 4.0, 0.5, 0.2, 0.6, 0.5, 0.4, 830.5),
    )  # fmt: skip


def shown(prediction):
    """What people saw: mostly onions."""
    return "potato" if prediction.time.minute < 5 else "onion"


def test_before_anybody_has_looked_there_is_nothing_to_say(judge, gate):
    code, said = judge(name=gate.name)
    assert code == 0, said
    # Batches of other tests may have been answered before.
    assert re.search(r"performance: (The model has not answered yet|Nothing can be said yet of all answers)\.", said)
    assert "Traceback" not in said


def test_what_people_said_is_weighed_and_shown(judge, gate):
    predictions = [answered(number, gate, audited=number % 2 == 0) for number in range(80)]
    database = Database.open(f"sqlite:///{gate.home.predictions}")
    assert PredictionLog(database).write(predictions) == []
    reviews = [
        Review(
            uuid4(), datetime.now(UTC), one.image_sha256, "ana", "label", "potato" if one.time.minute < 5 else "onion"
        )
        for one in predictions
    ]
    ReviewDesk(database, gate.name, classes=CLASSES).record_all(reviews)
    database.close()
    code, said = judge(name=gate.name, min_audited=20)
    assert code == 0, said
    page = Path(re.search(r"^report: (.*)$", said, re.MULTILINE)[1]).read_text()
    assert "performance: " in said
    assert "2 Mar" in page or "2026-03-02" in page


def test_a_gate_that_does_not_exist_and_a_wrong_value_are_one_sentence_each(judge):
    code, said = judge(name="nobody")
    assert (code, "no gate is called so" in said, "Traceback" in said) == (1, True, False)
    code, said = judge(min_audited=0)
    assert (code, "min_audited" in said, "Traceback" in said) == (1, True, False)
