"""A real PostgreSQL server of the tests' own, and predictions to log."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest

from benchmarks.postgres import NoPostgres, PostgresServer
from quality_gate.monitoring.prediction import ImageStatistics, Prediction


@pytest.fixture(scope="session")
def postgres():
    try:
        server = PostgresServer()
        server.start()
    except NoPostgres as reason:
        pytest.skip(f"no PostgreSQL can be run here: {reason}")
    yield server
    server.shut_down()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database' / 'predictions.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def make_prediction():
    """Makes predictions that differ in id and time, a second later each; fields that are named replace its own."""
    numbers = count(1)

    def make(**changes):
        number = next(numbers)
        whole = {
            "id": UUID(int=number * 2**64 + number),
            "time": datetime(2026, 3, 4, 10, 0, 0, 123456, tzinfo=UTC) + timedelta(seconds=number),
            "image_sha256": f"{number:064x}",
            "image_name": f"belt 3/{number}.jpg",
            "gate": "produce",
            "model_version": "7",
            "label": "potato",
            "probabilities": {"potato": 0.8, "onion": 0.15, "tomato": 0.05},
            "confidence": 0.8,
            "decision": "accept",
            "threshold": 0.6,
            "latency_ms": 12.5,
            "origin": "service",
            "image": ImageStatistics(640, 480, 120.25, 0.5, 0.2, 0.6, 0.5, 0.4, 830.5),
        }
        return Prediction(**whole | changes)

    return make
