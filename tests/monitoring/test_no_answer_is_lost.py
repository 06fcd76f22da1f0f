"""Processes that die and databases that go away, under load: every answer that was given is in the log, once."""

import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.monitoring.prediction_log import PredictionLog, Window

pytestmark = pytest.mark.slow

KILLS = 20
SECONDS = 120.0

# Answers as fast as it can, in four threads, and writes the id of each prediction that it was told is durable.
WRITER = """
import os, sys, threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4
from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.monitoring.prediction import Prediction

settings = read_log_settings()
outbox, shipper = settings.open_outbox(), settings.make_shipper()
template = Prediction.from_json(sys.argv[1])

def answer():
    while True:
        prediction = replace(template, id=uuid4(), time=datetime.now(UTC))
        outbox.append([prediction])
        os.write(1, prediction.id.hex.encode() + b"\\n")

shipper.start()
for _ in range(4):
    threading.Thread(target=answer).start()
"""


@dataclass
class Writer:
    """A running writer; ``answered`` are the ids it was told are durable."""

    process: subprocess.Popen
    answered: set[UUID] = field(default_factory=set)

    def __post_init__(self):
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            # The last may be cut off: then nobody was answered.
            if len(line) == 33:
                self.answered.add(UUID(line.decode().strip()))

    def kill(self):
        self.process.kill()
        self._reader.join()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def environment(database_url, tmp_path):
    return {"QUALITY_GATE_DATABASE_URL": database_url, "QUALITY_GATE_OUTBOX": str(tmp_path / "outbox")}


@pytest.fixture
def start_writer(environment, make_prediction):
    started = []

    def start():
        command = [sys.executable, "-c", WRITER, make_prediction().to_json()]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=os.environ | environment | {"QUALITY_GATE_LOG_POLL_SECONDS": "0.05"}
        )
        started.append(Writer(process))
        return started[-1]

    yield start
    for writer in started:
        writer.kill()


def logged(url):
    with PredictionLog.open(url) as log:
        return [prediction.id for page in log.read(Window()) for prediction in page]


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_answer_is_lost_or_doubled_when_processes_are_killed_under_load(start_writer, environment, database_url):
    chance = random.Random(1)
    writers = [start_writer()]
    for _ in range(KILLS):
        # Two share the outbox, so that one takes over what the other was shipping when it is killed.
        writers.append(start_writer())
        wait_until(lambda: writers[-1].answered)
        time.sleep(chance.uniform(0, 2))
        writers[-2].kill()
    # On a busy machine those before may all have been killed too early.
    wait_until(lambda: logged(database_url))
    writers[-1].kill()
    shipper = read_log_settings(environment).make_shipper()
    shipper.start()
    assert shipper.flush(SECONDS)
    assert shipper.close(SECONDS)

    answered = [one for writer in writers for one in writer.answered]
    found = logged(database_url)
    assert len(answered) > KILLS * 10
    assert len(found) == len(set(found))
    assert set(answered) <= set(found)
    # What was durable but not answered yet when the process was killed: one prediction a thread at most.
    assert len(found) - len(answered) <= 4 * len(writers)


@pytest.fixture
def own_postgres(request):
    """A server that may be stopped; only where PostgreSQL can be run."""
    server = request.getfixturevalue("postgres")
    yield server
    if not server.is_running:
        server.start()


def test_nothing_is_refused_or_lost_while_the_database_is_away(own_postgres, tmp_path, make_prediction):
    url = own_postgres.new_database()
    settings = read_log_settings(
        {
            "QUALITY_GATE_DATABASE_URL": url,
            "QUALITY_GATE_OUTBOX": str(tmp_path / "outbox"),
            "QUALITY_GATE_LOG_POLL_SECONDS": "0.05",
            "QUALITY_GATE_LOG_MAX_WAIT_SECONDS": "1",
        }
    )
    outbox, shipper = settings.open_outbox(), settings.make_shipper()
    answered, failed, stop = [], [], threading.Event()

    def answer():
        try:
            while not stop.wait(0.002):
                prediction = make_prediction(id=uuid4())
                outbox.append([prediction])
                answered.append(prediction.id)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=answer) for _ in range(4)]
    shipper.start()
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            wait_until(lambda: shipper.problem is None and outbox.backlog().rows < 500 and answered)
            own_postgres.stop()
            wait_until(lambda: shipper.problem is not None)
            known = len(answered)
            wait_until(lambda known=known: len(answered) > known + 200 or failed)
            assert outbox.backlog().rows >= 200
            assert "secret" not in shipper.problem
            own_postgres.start()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    outbox.close()
    assert shipper.flush(SECONDS)
    assert shipper.close(SECONDS)
    assert failed == []
    assert sorted(logged(url)) == sorted(answered)
