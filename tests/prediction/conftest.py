"""A home with an inbox and a tiny model that answers."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from quality_gate.batch_settings import BatchSettings
from quality_gate.home import HOME_VARIABLE, Home
from quality_gate.inference import OnnxClassifier
from quality_gate.prediction.record import Record, record_path
from quality_gate.prediction.streaming import answer_batch


class QuietReporter:
    """Keeps what was said, and the moves of every bar."""

    def __init__(self):
        self.said = []
        self.moves = []

    def progress(self, task):
        return lambda done, total: self.moves.append((done, total))

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, whose prediction log is a SQLite file."""
    home = Home(tmp_path / "home")
    monkeypatch.setenv(HOME_VARIABLE, str(home.root))
    for name in ("QUALITY_GATE_DATABASE_URL", "QUALITY_GATE_OUTBOX"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def classifier(tmp_path, write_tiny_model):
    return OnnxClassifier(write_tiny_model(tmp_path / "model", version="7"))


@pytest.fixture(scope="session")
def encode():
    """Encodes a photo that depends on a number alone."""

    def run(number):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((48, 40), Image.Resampling.BICUBIC).save(buffer, "PNG")
        return buffer.getvalue()

    return run


@pytest.fixture
def write(encode):
    """Writes a different photo to each path below a folder."""

    def run(folder, *paths):
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(encode(int(hashlib.sha256(path.encode()).hexdigest()[:8], 16)))
        return folder

    return run


@pytest.fixture
def answer(home, classifier):
    """Answers a batch of a source; settings that are named replace the defaults."""

    def run(source, *, classifier=classifier, reporter=None, **settings):
        chosen = BatchSettings(source=str(source), **{"settle_seconds": 0, "workers": 2} | settings)
        return answer_batch(chosen, classifier, home, reporter or QuietReporter())

    return run


@pytest.fixture
def record(home):
    """Opens the record of a source, in the way it is found again."""
    opened = []

    def run(source, version="7"):
        path = record_path(home.batches("visual_quality_gate"), str(source), version)
        opened.append(Record(path))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


@pytest.fixture
def reporter():
    return QuietReporter()
