"""Rules of the house that import-linter cannot see: what an import really loads, and how long a file may be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "bentoml", "cv2", "evidently", "great_expectations", "jinja2", "matplotlib", "mlflow", "onnxruntime", "pandas",
    "pyarrow", "scipy", "sklearn", "timm", "torch", "torchvision", "tqdm", "zenml",
}  # fmt: skip
# Classes of torch networks cannot be written down without torch; everything else imports it where it is used.
NEEDS_TORCH = {"quality_gate.models.zoo"}


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def modules(package):
    names = (
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in sources(package)
    )
    return sorted(names)


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
        ("quality_gate.inference", {"numpy", "PIL"}),
        ("quality_gate.models.manifest", {"numpy", "PIL"}),
    ],
)
def test_what_answers_requests_loads_no_more_than_it_needs(module, allowed):
    found = loaded_by(module)[module] - set(sys.stdlib_module_names)
    # Pillow takes what is installed of its optional helpers.
    assert found <= {"quality_gate", "defusedxml", *allowed}


def test_no_module_of_the_domain_loads_a_heavy_library_when_it_is_imported():
    names = [name for name in modules("quality_gate") if name not in NEEDS_TORCH]
    before = set()
    for name, loaded in loaded_by(*names).items():
        assert not (loaded - before) & HEAVY, f"{name} loads {sorted((loaded - before) & HEAVY)}"
        before = loaded


@pytest.mark.parametrize(
    ("package", "limit"), [("quality_gate", 300), ("bentos", 300), ("pipelines", 300), ("steps", 80)]
)
def test_no_file_is_longer_than_the_house_allows(package, limit):
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources(package)}
    assert lengths
    assert not {name: length for name, length in lengths.items() if length >= limit}


def test_every_file_is_named_for_what_it_does():
    stems = {path.stem for package in ("quality_gate", "steps", "pipelines", "bentos") for path in sources(package)}
    assert not stems & {"utils", "util", "helpers", "helper", "manager", "misc", "common"}
