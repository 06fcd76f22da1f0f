"""Photos as drift sees them, drawn without end from one world: any two draws differ by chance alone."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from quality_gate.data.photo_set import PhotoSets
from quality_gate.drift.observations import Observations
from quality_gate.drift.reference import with_reference
from quality_gate.drift.window import ObservedWindow

CLASSES = ("noise", "onion", "potato", "tomato")


@pytest.fixture(scope="session")
def draw() -> Callable[..., Observations]:
    """Draws so many photos; what is named is changed."""
    return _draw


def _draw(
    random: np.random.Generator,
    photos: int,
    *,
    brightness: float = 1.0,
    sharpness: float = 1.0,
    classes: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1),
    confidence: float = 1.0,
    features: float = 0.0,
    spread: float = 1.0,
) -> Observations:
    # Columns depend on each other and on the class, many values are equal, and some never change: as with real photos.
    kind = random.choice(len(CLASSES), photos, p=classes)
    lamp, focus, colour = random.normal(size=(3, photos))
    light = ((0.5 + 0.12 * lamp).clip(0.01, 1) * brightness).round(2)
    warmth = 0.05 * colour + 0.02 * kind
    seen = random.normal(size=(photos, 12)) * spread
    seen[:, 0] += 2 * kind + features
    seen[:, 1] += lamp
    return Observations(
        CLASSES,
        {
            "width": random.choice([640.0, 800.0], photos, p=[0.9, 0.1]),
            "height": np.full(photos, 480.0),
            "file_size_kb": np.exp(4 + 0.3 * focus),
            "brightness": light,
            "contrast": (0.2 + 0.03 * lamp * focus).clip(0, 0.5) * brightness,
            "red_mean": light * (1 + warmth).clip(0, 2),
            "green_mean": light,
            "blue_mean": light * (1 - warmth).clip(0, 2),
            "sharpness": np.exp(6 + 0.5 * focus) * sharpness,
        },
        kind.astype(np.int64),
        (random.beta(8, 0.5, photos).round(3) * confidence).clip(0, 1),
        seen.astype(np.float32),
    )


def _evaluation():
    """The fixtures of another folder of tests: photos without files."""
    spec = spec_from_file_location("photos_of_tests", Path(__file__).parents[1] / "evaluation" / "conftest.py")
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_photos, reporter = _evaluation().make_photos, _evaluation().reporter


@pytest.fixture
def splits(make_photos):
    """Of the calibration photos three belong together."""
    groups = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    calibration = make_photos(11, seed=2, groups=groups)
    return PhotoSets(make_photos(5, seed=0), make_photos(5, seed=1), calibration, make_photos(8, seed=3))


@pytest.fixture
def make_reference(splits, reporter):
    """Gives a model folder the reference of the splits."""
    return lambda folder: with_reference(folder, splits, reporter)


@pytest.fixture
def model_with_reference(write_tiny_model, make_reference, tmp_path):
    """A model folder whose network hands out its features, with a reference."""
    folder = write_tiny_model(tmp_path / "model")
    network = onnx.load(folder / "model.onnx")
    # What comes before the last product is what the last layer is given.
    network.graph.output.append(onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", 12]))
    onnx.save(network, folder / "model.onnx")
    make_reference(folder)
    return folder


@pytest.fixture(scope="session")
def make_window() -> Callable[..., ObservedWindow]:
    """Makes a window of so many photos; what is named is changed, in the photos or in the window itself."""

    def make(photos: int, **changes: Any) -> ObservedWindow:
        random = np.random.default_rng(7)
        reference = _draw(random, 400)
        about = {name: changes.pop(name) for name in ("left_out", "last") if name in changes}
        window = ObservedWindow(
            gate="produce",
            model_version="3",
            observations=_draw(random, photos, **changes),
            reference=reference,
            found=photos,
            first="2026-03-04T08:00:00+00:00",
            last="2026-03-04T10:00:00+00:00",
            left_out={"2": 5, "9": 1200},
            unknown_versions=("9",),
        )
        return replace(window, **about)

    return make
