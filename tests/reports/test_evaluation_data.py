import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from quality_gate.data.photo_set import PhotoSet, PhotoSets
from quality_gate.evaluation.measured import Measured
from quality_gate.models.folder import ModelFolder
from quality_gate.reports.evaluation_data import answers_to_test, report_data, slices_of_test
from quality_gate.settings import EvaluationSettings, TrainingSettings
from quality_gate.training.history import Epoch, TrainingHistory

CLASSES = ("onion", "potato", "tomato")
HISTORY = TrainingHistory((Epoch(0, None, 0.8, 0.5, 1e-4, True),))
SETTINGS = TrainingSettings(seed=5, evaluation=EvaluationSettings(bootstrap_resamples=100, worst_errors=2))
PHOTOS = 12


class Photos:
    def __init__(self, names):
        self.by_id = {name: encoded(number) for number, name in enumerate(names)}

    def photos(self, image_ids):
        return (self.by_id[name] for name in image_ids)


class Quiet:
    def progress(self, task):
        return lambda done, total: None

    def say(self, line):
        raise AssertionError(line)


def encoded(number):
    buffer = io.BytesIO()
    coarse = np.random.default_rng(number).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((40, 36), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def photo_set(prefix):
    names = tuple(f"{prefix} {number}" for number in range(PHOTOS))
    labels = np.arange(PHOTOS) % len(CLASSES)
    return PhotoSet(Photos(names), names, names, CLASSES, labels, np.arange(PHOTOS))


@pytest.fixture
def held_out():
    return photo_set("test")


@pytest.fixture
def table(held_out):
    return pd.DataFrame(
        {
            "image_id": held_out.image_ids[::-1],
            "is_readable": True,
            "split": "test",
            "label": CLASSES[0],
            "brightness": np.linspace(0.9, 0.1, PHOTOS),
            "sharpness": 100.0,
            "width": 40.0,
            "height": 36.0,
        }
    )


PROBABILITIES = np.random.default_rng(0).dirichlet(np.ones(3), PHOTOS)


@pytest.fixture
def gathered(write_tiny_model, make_evaluation, held_out, table, tmp_path):
    photos = PhotoSets(photo_set("train"), photo_set("validation"), photo_set("calibration"), held_out)
    measured = Measured(make_evaluation(), {"candidate": PROBABILITIES, "histogram": PROBABILITIES[::-1]})
    model = ModelFolder(write_tiny_model(tmp_path / "model"))
    return report_data(model, measured, photos, table, HISTORY, SETTINGS, Quiet())


def test_the_page_gets_the_answers_of_every_model_and_the_history(gathered, held_out):
    assert gathered.labels is held_out.labels
    assert list(gathered.probabilities) == ["candidate", "histogram"]
    assert gathered.history == HISTORY.epochs


def test_as_many_errors_are_shown_as_the_settings_say(gathered):
    assert len(gathered.worst) == 2
    assert all(error.true_label != error.predicted_label for error in gathered.worst)
    # The tiny model of these tests hands out no feature maps.
    assert all(error.evidence is None for error in gathered.worst)


def test_three_thresholds_are_compared_and_the_models_own_is_in_use(gathered):
    assert [point.in_use for point in gathered.points] == [False, True, False]
    in_use = gathered.points[1]
    assert in_use.threshold == 0.6
    assert in_use.accepted_photos == np.sum(PROBABILITIES.max(axis=1) >= 0.6)


def test_slices_are_joined_to_the_photos_by_their_bytes_not_by_their_order(gathered):
    dark = gathered.slices["brightness"][0]
    assert (dark.name, dark.low, dark.photos) == ("dark", pytest.approx(0.1), 4)
    labels = np.arange(PHOTOS) % len(CLASSES)
    assert dark.accuracy == np.mean((PROBABILITIES.argmax(axis=1) == labels)[:4])
    assert gathered.slices["megapixels"] == ()


def test_slices_and_answers_are_the_same_whenever_they_are_taken(gathered, held_out, table, make_evaluation):
    assert slices_of_test(held_out, PROBABILITIES, table, SETTINGS) == gathered.slices
    answers = answers_to_test(held_out, Measured(make_evaluation(), {"candidate": PROBABILITIES}), SETTINGS)
    assert (answers.resamples, answers.seed) == (100, 5)
    assert answers.correct.tolist() == (PROBABILITIES.argmax(axis=1) == held_out.labels).tolist()
