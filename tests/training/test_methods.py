from types import SimpleNamespace

import numpy as np
import pytest

from quality_gate.data.photo_set import PhotoSets
from quality_gate.errors import UserError
from quality_gate.evaluation.calibration import fit_temperature
from quality_gate.home import Home
from quality_gate.inference import average_views, softmax
from quality_gate.settings import BaselineSettings
from quality_gate.training.features import Seen
from quality_gate.training.head import train_head
from quality_gate.training.methods import frozen_head, methods
from quality_gate.transfer_settings import TransferSettings

SETTINGS = TransferSettings(views=("crop", "squash"), training_views=("crop",), augmented_views=1)
CLASSES = ("onion", "potato")


class Colours:
    """A backbone that sees the class of a photo, blurred, and each row a little otherwise."""

    def see(self, photos, rows, *, seed, on_progress):
        rng = np.random.default_rng([len(photos), len(rows)])
        seen = np.eye(2)[photos.labels.repeat(len(rows))] + rng.normal(0, 0.8, (len(photos) * len(rows), 2))
        return Seen(seen.astype(np.float32), None)


@pytest.fixture
def parts(photos_in_memory):
    def part(count, first):
        photos = [f"{first} {number}".encode() for number in range(count)]
        return photos_in_memory(photos, np.arange(count) % 2, CLASSES)

    return PhotoSets(part(40, "train"), part(12, "validation"), part(4, "calibration"), part(10, "test"))


def test_a_head_on_frozen_features_answers_with_the_mean_of_its_views_at_the_temperature_of_validation(parts):
    backbone = Colours()
    given = frozen_head(parts, backbone, SETTINGS, seed=3)
    train = backbone.see(parts.train, [0, 1], seed=3, on_progress=None).features
    head = train_head(train, parts.train.labels.repeat(2), parts.train.groups.repeat(2), 3)
    validation, test = (
        average_views(
            (backbone.see(part, [0, 1], seed=0, on_progress=None).features @ head.weight.T + head.bias).reshape(
                len(part), 2, 2
            )
        )
        for part in (parts.validation, parts.test)
    )
    np.testing.assert_array_equal(given, softmax(test, fit_temperature(validation, parts.validation.labels)))
    assert given.shape == (10, 2)


def test_a_candidate_that_is_fine_tuned_cannot_be_cross_validated(tmp_path):
    settings = TransferSettings(finetune_min_photos=50)
    with pytest.raises(UserError, match=r"but 50 photos are fine-tuned; expected transfer\.finetune_epochs: 0"):
        methods(settings, BaselineSettings(), learnt=50, classes=2, seed=0, home=Home(tmp_path), workers=1)


@pytest.mark.parametrize("changes", [{"finetune_min_photos": 51}, {"finetune_epochs": 0, "finetune_min_photos": 0}])
def test_the_candidate_comes_first_and_then_both_baselines(tmp_path, monkeypatch, changes):
    from quality_gate.training import methods as module

    monkeypatch.setattr(module, "pretrained", lambda *_, **__: SimpleNamespace(backbone=Colours()))
    found = methods(
        TransferSettings(**changes), BaselineSettings(), learnt=50, classes=2, seed=0, home=Home(tmp_path), workers=1
    )
    assert list(found) == ["candidate", "histogram", "scratch"]
