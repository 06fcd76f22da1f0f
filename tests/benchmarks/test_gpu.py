"""The benchmark of the GPU: the same code runs on the processor, with no more than its six packages."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from PIL import Image

from benchmarks.gpu_cifar10 import RECIPE
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from quality_gate.training.recipe import fine_tuning

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "pillow")
# Runs the benchmark where every other installed package seems not to be there.
BARE_MACHINE = """
import runpy, sys

missing = frozenset(sys.argv.pop(1).split(","))

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in missing else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


def brought_along(names):
    """The packages of these names with all that installing them brings along."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            needed = [Requirement(line) for line in requires(name) or ()]
        except PackageNotFoundError:
            continue
        found.add(name)
        waiting += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture
def cifar10(tmp_path):
    for split in ("train", "test"):
        for number, label in enumerate(("cat", "ship")):
            (tmp_path / "cifar10" / split / label).mkdir(parents=True)
            for place in range(3):
                photo = Image.new("RGB", (32, 32), (200 * number + place, 90, 90))
                photo.save(tmp_path / "cifar10" / split / label / f"{place}.png")
    return tmp_path / "cifar10"


@pytest.mark.slow
def test_everything_is_measured_on_the_processor_with_the_six_packages_alone(cifar10, tmp_path):
    there = brought_along(PACKAGES)
    assert "pydantic" not in there
    missing = [
        module
        for module, names in packages_distributions().items()
        if not {name.lower().replace("_", "-") for name in names} & there
        and module not in ("benchmarks", "quality_gate")
    ]
    assert {"pydantic", "pydantic_core", "sklearn", "onnxruntime", "zenml"} <= set(missing)

    options = ["--device", "cpu", "--quick", "--networks", "resnet18", "--cifar10", cifar10, "--json", tmp_path / "out"]
    result = subprocess.run(
        [sys.executable, "-c", BARE_MACHINE, ",".join(missing), *map(str, options)],
        capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "out").read_text())
    assert [speed["way"] for speed in found["speeds"]] == [
        "plain loop", "decoded once", "+ mixed precision", "+ channels last", "+ fused optimiser",
        "+ augmented on the device", "+ that, photos on the device", "all of these, as the gate",
    ]  # fmt: skip
    assert all(speed["images_per_second"] > 0 and 0 < speed["waiting"] < 1 for speed in found["speeds"])
    assert all(speed["way"] in result.stdout for speed in found["speeds"])
    assert found["machine"]["gpu"] is None
    assert found["cifar10"]["original"] is True
    assert found["cifar10"]["photos"] == 6
    assert 0 < found["cifar10"]["seconds_to_plateau"] <= found["cifar10"]["seconds"]


def test_the_timed_recipe_is_the_one_of_the_file():
    path = ROOT / "pipelines" / "recipes" / "cifar10.yaml"
    settings = parse_settings(TrainingSettings, yaml.safe_load(path.read_text())["parameters"], origin=path.name)

    read = fine_tuning(
        settings.transfer.model_copy(update={"finetune_min_photos": 0}), stages=3, photos=0, seed=RECIPE.seed
    )
    assert read == RECIPE
