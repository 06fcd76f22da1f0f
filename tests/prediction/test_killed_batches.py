"""Batches that are killed at any moment: each photo ends with one answer, one row and one place."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime

import pytest

from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.monitoring.prediction import Prediction
from quality_gate.monitoring.prediction_log import Window
from quality_gate.prediction.record import Record

pytestmark = pytest.mark.slow

PHOTOS = 240

# What the three steps do, one after the other, without ZenML, which takes seconds to start. Every line says that a few
# photos more are answered, or one is moved.
RUN = """
import shutil, sys
from pathlib import Path
from quality_gate.batch_settings import BatchSettings
from quality_gate.home import locate
from quality_gate.inference import OnnxClassifier
from quality_gate.prediction import streaming
from quality_gate.prediction.inbox import empty_inbox
from quality_gate.prediction.result import write_results

class Reporter:
    def progress(self, task):
        return lambda done, total: print("answered", flush=True)

move = shutil.move
def told_move(source, target):
    move(source, target)
    print("moved", flush=True)
shutil.move = told_move

streaming.RECORDED_TOGETHER, streaming.LOGGED_TOGETHER = 4, 12
settings = BatchSettings(source=sys.argv[2], settle_seconds=0, workers=1)
batch = streaming.answer_batch(settings, OnnxClassifier(Path(sys.argv[1])), locate(), Reporter())
with batch.open_record() as record:
    write_results(record, batch.classes, batch.model_version, Path(sys.argv[3]))
    print("written", flush=True)
    if batch.source == "inbox":
        empty_inbox(record, locate())
    record.finish()
print("done", flush=True)
"""


@pytest.fixture
def run(tmp_path, write_tiny_model, home):
    model, chosen = write_tiny_model(tmp_path / "model", version="7"), random.Random(4)

    def start(source, *, lines=None):
        """Run to the end, or kill it a little after it has said so many lines; gives the last of these."""
        command = [sys.executable, "-c", RUN, str(model), str(source), str(tmp_path / "result")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ), text=True) as process:
            if lines is None:
                return process.stdout.read().split()[-1]
            for _ in range(lines):
                said = process.stdout.readline()
            time.sleep(chosen.uniform(0, 0.002))
            process.send_signal(signal.SIGKILL)
            return said.strip()

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
            prediction = Prediction.from_json(row)
            answers[prediction.image_name] = prediction.time
    return answers


def test_no_photo_is_answered_twice_and_each_is_logged_once(run, tmp_path, write, home):
    names = [f"{number:03}.png" for number in range(PHOTOS)]
    photos = write(tmp_path / "photos", *names)
    before = {}
    for lines in (1, 2, 8, 15, 17, 24, 31, 40, 41, 50, 52, 54):
        assert run(photos, lines=lines) == "answered"
        now = recorded(home)
        assert {name: now[name] for name in before} == before, "an answer that was recorded is never given again"
        before = now
    assert 0 < len(before) < PHOTOS
    assert run(photos) == "done"
    after = recorded(home)
    assert {name: after[name] for name in before} == before
    rows = logged()
    assert Counter(row.image_name for row in rows) == Counter(names)
    assert {row.image_name: row.time for row in rows} == after
    with (tmp_path / "result" / "result.csv").open(newline="") as file:
        assert {row["path"]: datetime.fromisoformat(row["time"]) for row in csv.DictReader(file)} == after


def test_every_photo_of_the_inbox_ends_in_one_place_with_one_answer(run, tmp_path, write, home):
    names = [f"{number:03}.png" for number in range(PHOTOS)]
    write(home.inbox, *names)
    said = []
    for lines in (5, 30, 60, 62, 70, 50):
        said.append(run("inbox", lines=lines))
        places = [path.name for folder in (home.inbox, home.inbox_done) for path in folder.rglob("*.png")]
        assert sorted(places) == names
        done = {path.name for path in home.inbox_done.rglob("*.png")}
        assert done <= {row.image_name for row in logged()}, (
            "a photo was moved before its answer was durable in the log"
        )
    assert {*said} == {"answered", "moved"}
    assert run("inbox") == "done"
    assert list(home.inbox.rglob("*.png")) == []
    assert Counter(row.image_name for row in logged()) == Counter(names)
    with (tmp_path / "result" / "result.csv").open(newline="") as file:
        assert sorted(row["path"] for row in csv.DictReader(file)) == names, (
            "the last run tells what the killed ones did"
        )
