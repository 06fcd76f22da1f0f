from types import SimpleNamespace

import numpy as np
import pytest

from quality_gate.data.photo_set import PhotoSet
from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.settings import TrainingSettings
from quality_gate.training.head import train_head
from quality_gate.tuning import tune as module
from quality_gate.tuning.tune import RememberedHeads, tune


def photo_set(labels, classes=("onion", "potato")):
    count = len(labels)
    places = tuple(map(str, range(count)))
    return PhotoSet(SimpleNamespace(), places, places, classes, np.array(labels), np.arange(count))


def test_a_class_without_photos_is_told(tmp_path):
    def run(train, validation):
        home = Home(tmp_path)
        tune(
            photo_set(train), photo_set(validation), TrainingSettings(), digests={}, home=home, workers=1, run=None,
            reporter=None,
        )  # fmt: skip

    with pytest.raises(UserError, match="each of the 2 classes, and the 1 training photos have none of 'potato'"):
        run([0], [0, 1])
    with pytest.raises(UserError, match="the 1 validation photos have none of 'onion'; add photos"):
        run([0, 1], [1])


def test_a_head_is_fitted_once_for_the_same_features(monkeypatch):
    fitted = []

    def counted(*arguments):
        fitted.append(arguments)
        return train_head(*arguments)

    monkeypatch.setattr(module, "train_head", counted)
    features = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    labels, groups = np.arange(12) % 2, np.arange(12)
    heads = RememberedHeads()
    first = heads(features, labels, groups, 1)
    assert heads(features.copy(), labels, groups, 1) is first
    assert len(fitted) == 1
    np.testing.assert_array_equal(first.weight, train_head(features, labels, groups, 1).weight)
    for other in ((features + 1, labels, groups, 1), (features, 1 - labels, groups, 1), (features, labels, groups, 2)):
        assert heads(*other) is not first
    assert len(fitted) == 4
