"""Shifts of a known size, shown to a trained model by photos of the generator: each rings with a hundred photos."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from benchmarks.drift import observe, painted, train_model
from quality_gate.data.scenes import NO_SHIFT, SHIFTS, write_demo_photos
from quality_gate.drift.detection import compare
from quality_gate.home import HOME_VARIABLE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    """Shows the model photos of the generator, those from a number on."""
    folder = tmp_path_factory.mktemp("power")
    write_demo_photos(folder / "photos", train_per_class=30, test_per_class=1, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(folder / "home"))
        model, projection = train_model(folder / "photos", folder / "model")

    def run(first, count, shift):
        seen = observe(model, islice(painted(first + count, shift), first, None))
        return replace(seen, features=projection.compact(seen.features).astype(np.float32))

    return run


@pytest.fixture(scope="module")
def reference(look):
    return look(0, 240, NO_SHIFT)


def drifted(reference, window):
    groups = compare(reference, window, false_alarm_rate=0.01, resamples=1999, min_photos=100, seed=0)
    return {group.name for group in groups if group.drifted}


@pytest.mark.parametrize(
    ("name", "group"), [("dark", "light"), ("warm", "light"), ("blur", "sharpness"), ("new_background", "features")]
)
def test_a_shift_rings_and_is_named(look, reference, name, group):
    assert group in drifted(reference, look(240, 100, SHIFTS[name]))


def test_without_one_nothing_rings(look, reference):
    assert drifted(reference, look(240, 100, NO_SHIFT)) == set()
