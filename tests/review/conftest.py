"""Review desks over a prediction log, with a clock that tests move."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.reading import Reviews
from quality_gate.review.verdict import Review

CLASSES = ("onion", "potato", "tomato")
LEASE = timedelta(minutes=10)


class Clock:
    """Tells a time that stands still until it is moved."""

    def __init__(self):
        self.now = datetime(2026, 3, 5, 8, tzinfo=UTC)

    def __call__(self):
        return self.now

    def move(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(database_url):
    """An empty database of each kind."""
    database = Database.open(database_url)
    yield database
    database.close()


@pytest.fixture
def put(database, make_prediction):
    """Logs predictions that are for review, one a mapping of changes; gives them back."""

    def put(*changes):
        made = [make_prediction(**{"review_reason": "review"} | one) for one in changes]
        assert PredictionLog(database).write(made) == []
        return made

    return put


@pytest.fixture
def desk(database, clock):
    return ReviewDesk(database, "produce", classes=CLASSES, lease=LEASE, now=clock)


@pytest.fixture
def reviews(database):
    return Reviews(database, "produce")


@pytest.fixture
def review_of(clock):
    """Makes reviews, each a second later; ``None`` as label means unknown, ``skip`` left to others."""

    def make(photo, label, reviewer="ana", **changes):
        clock.move(seconds=1)
        verdict = "skip" if label == "skip" else "unknown" if label is None else "label"
        return Review(uuid4(), clock.now, photo, reviewer, verdict, label if verdict == "label" else None, **changes)

    return make


def always(_image_sha256):
    """The file of every photo is there."""
    return True


@pytest.fixture
def everywhere():
    return always
