"""Rules of the house that import-linter cannot see: what an import really loads, and how long a file may be."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "bentoml", "captum", "cv2", "evidently", "great_expectations", "jinja2", "matplotlib", "mlflow", "onnxruntime",
    "optuna", "pandas", "pyarrow", "scipy", "sklearn", "timm", "torch", "torchvision", "tqdm", "zenml",
}  # fmt: skip
# Subclasses of a library's classes cannot be written down without it; all else imports it where it is used.
NEEDED_AT_THE_TOP = {
    "quality_gate/data/expectation_types.py": {"great_expectations"},
    "quality_gate/models/compact_cnn.py": {"torch"},
    "quality_gate/models/ensemble.py": {"torch"},
    "quality_gate/models/timm_zoo.py": {"torch"},
    "quality_gate/models/zoo.py": {"torch"},
}
LIGHT = (
    "quality_gate.batch_settings",
    "quality_gate.cli",
    "quality_gate.data.photo_set",
    "quality_gate.data.scenes",
    "quality_gate.drift.detection",
    "quality_gate.drift.evidently",
    "quality_gate.drift.judgement",
    "quality_gate.drift.reference",
    "quality_gate.drift.window",
    "quality_gate.drift_settings",
    "quality_gate.evaluation.calibrated",
    "quality_gate.evaluation.candidate",
    "quality_gate.evaluation.gate",
    "quality_gate.evaluation.measured",
    "quality_gate.explanation.explainer",
    "quality_gate.models.smoke",
    "quality_gate.monitoring.log_settings",
    "quality_gate.prediction.batch",
    "quality_gate.prediction.streaming",
    "quality_gate.prediction.summary",
    "quality_gate.registry",
    "quality_gate.reports.status",
    "quality_gate.settings",
    "quality_gate.tracking",
    "quality_gate.training.history",
    "quality_gate.tuning.result",
)


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def imported_at_the_top(path):
    """Top-level names that importing the file imports, what stands under ``if TYPE_CHECKING`` left out."""
    statements = ast.parse(path.read_text()).body
    plain = {alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names}
    parts = {str(node.module) for node in statements if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in plain | parts}


def loaded_by(*names):
    """Top-level names in a fresh interpreter after each import, one after the other."""
    code = (
        "import importlib, json, sys\n"
        "before = {name.split('.')[0] for name in sys.modules}\n"
        "loaded = {}\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    loaded[name] = sorted({name.split('.')[0] for name in sys.modules} - before)\n"
        "print(json.dumps(loaded))"
    )
    # Without the warnings of pytest's settings, and from elsewhere: what is imported is what is installed.
    result = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    return {name: set(found) for name, found in json.loads(result.stdout).items()}


def test_the_package_itself_loads_nothing():
    assert loaded_by("quality_gate")["quality_gate"] <= {"quality_gate"}


def test_finding_the_home_loads_nothing_outside_the_standard_library():
    found = loaded_by("quality_gate.home")["quality_gate.home"] - set(sys.stdlib_module_names)
    assert found <= {"quality_gate"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("quality_gate.preprocess", {"numpy", "PIL"}),
        ("quality_gate.drift.features", {"numpy"}),
        ("quality_gate.inference", {"numpy", "PIL"}),
        ("quality_gate.models.manifest", {"numpy", "PIL"}),
        ("quality_gate.monitoring.outbox", set()),
        ("quality_gate.monitoring.prediction", set()),
        ("quality_gate.monitoring.shipper", set()),
    ],
)
def test_what_answers_requests_loads_no_more_than_it_needs(module, allowed):
    found = loaded_by(module)[module] - set(sys.stdlib_module_names)
    # Pillow takes what is installed of its optional helpers.
    assert found <= {"quality_gate", "defusedxml", *allowed}


@pytest.mark.parametrize("path", [str(path.relative_to(ROOT)) for path in sources("quality_gate")])
def test_heavy_libraries_are_imported_where_they_are_used(path):
    assert imported_at_the_top(ROOT / path) & HEAVY == NEEDED_AT_THE_TOP.get(path, set())


def test_what_is_imported_before_the_work_begins_loads_no_heavy_library():
    loaded = loaded_by(*LIGHT)
    assert {name: found & HEAVY for name, found in loaded.items()} == {name: set() for name in LIGHT}


@pytest.mark.parametrize(
    ("package", "limit"), [("quality_gate", 300), ("bentos", 300), ("pipelines", 160), ("steps", 80)]
)
def test_no_file_is_longer_than_the_house_allows(package, limit):
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources(package)}
    assert lengths
    assert not {name: length for name, length in lengths.items() if length >= limit}


def test_every_file_is_named_for_what_it_does():
    stems = {path.stem for package in ("quality_gate", "steps", "pipelines", "bentos") for path in sources(package)}
    assert not stems & {"utils", "util", "helpers", "helper", "manager", "misc", "common"}
