"""Batches that are killed at any moment: each photo ends with one answer, one row and one place."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.monitoring.prediction_log import Window
from quality_gate.prediction.record import Record

pytestmark = pytest.mark.slow

PHOTOS = 240
KILLS = 12

# A run without ZenML, which takes seconds to start: what the three steps do, one after the other.
RUN = """
import sys
from pathlib import Path
from quality_gate.batch_settings import BatchSettings
from quality_gate.home import locate
from quality_gate.inference import OnnxClassifier
from quality_gate.prediction import streaming
from quality_gate.prediction.inbox import empty_inbox
from quality_gate.prediction.result import write_results
from quality_gate.progress import ConsoleReporter

streaming.RECORDED_TOGETHER, streaming.LOGGED_TOGETHER = 4, 12
classifier = OnnxClassifier(Path(sys.argv[1]))
print("begun", flush=True)
settings = BatchSettings(source=sys.argv[2], settle_seconds=0, workers=1)
batch = streaming.answer_batch(settings, classifier, locate(), ConsoleReporter())
print("answered", flush=True)
with batch.open_record() as record:
    write_results(record, batch.classes, batch.model_version, Path(sys.argv[3]))
    if batch.source == "inbox":
        empty_inbox(record, locate())
    record.finish()
print("done", flush=True)
"""


@pytest.fixture
def run(tmp_path, write_tiny_model, home):
    model = write_tiny_model(tmp_path / "model", version="7")

    def start(source, *, seconds=None):
        """Run until the end, or kill it so many seconds after the first photo may have been read."""
        command = [sys.executable, "-c", RUN, str(model), str(source), str(tmp_path / "result")]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ)
        ) as process:
            assert process.stdout.readline() == b"begun\n"
            if seconds is not None:
                time.sleep(seconds)
                process.send_signal(signal.SIGKILL)
            return process.stdout.read().split()

    return start


def logged():
    with read_log_settings().open_log() as log:
        return [prediction for page in log.read(Window()) for prediction in page]


def recorded(home):
    """Times of the answers in all records, by path."""
    answers = {}
    for path in home.batches("visual_quality_gate").glob("record-*.db"):
        with Record(path) as record:
            rows = record._connection.execute("SELECT prediction FROM outcomes WHERE problem = ''").fetchall()
        for (row,) in rows:
            prediction = record_prediction(row)
            answers[prediction.image_name] = prediction.time
    return answers


def record_prediction(row):
    from quality_gate.monitoring.prediction import Prediction

    return Prediction.from_json(row)


@pytest.fixture
def seconds():
    """How long a run may live, from hardly at all to most of its work."""
    chosen = random.Random(4)
    return [chosen.uniform(0.0, 0.5) for _ in range(KILLS)]


def test_no_photo_is_answered_twice_and_each_is_logged_once(run, tmp_path, write, home, seconds):
    names = [f"{number:03}.png" for number in range(PHOTOS)]
    photos = write(tmp_path / "photos", *names)
    before = {}
    for moment in seconds:
        run(photos, seconds=moment)
        now = recorded(home)
        assert {name: now[name] for name in before} == before, "an answer that was recorded is never given again"
        before = now
    assert before, "no run lived long enough to answer anything"
    assert run(photos) == [b"answered", b"done"]
    after = recorded(home)
    assert {name: after[name] for name in before} == before
    rows = logged()
    assert Counter(row.image_name for row in rows) == Counter(names)
    assert {row.image_name: row.time for row in rows} == after


def test_every_photo_of_the_inbox_ends_in_one_place_with_one_answer(run, tmp_path, write, home, seconds):
    names = [f"{number:03}.png" for number in range(PHOTOS)]
    write(home.inbox, *names)
    for moment in [*seconds, 0.8, 1.0]:
        run("inbox", seconds=moment)
        places = [path.name for folder in (home.inbox, home.inbox_done) for path in folder.rglob("*.png")]
        assert sorted(places) == names
        done = {path.name for path in home.inbox_done.rglob("*.png")}
        assert done <= {row.image_name for row in logged()}, (
            "a photo was moved before its answer was durable in the log"
        )
    run("inbox")
    assert list(home.inbox.rglob("*.png")) == []
    assert Counter(row.image_name for row in logged()) == Counter(names)
