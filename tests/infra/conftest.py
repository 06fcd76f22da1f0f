"""What the files of ``infra/`` are held against: the names that the code gives its metrics and its settings."""

import ast
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from bentos.settings import PREFIX, ServiceSettings
from quality_gate.home import HOME_VARIABLE
from quality_gate.monitoring import log_settings
from quality_gate.review import settings as review_settings

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
METRIC_CLASSES = {"Counter", "Gauge", "Histogram", "Summary", "GaugeMetricFamily", "CounterMetricFamily"}
# How the text format calls the series of a metric.
SERIES = {"Histogram": ("_bucket", "_sum", "_count"), "Summary": ("_sum", "_count")}


@pytest.fixture(scope="session")
def infra() -> Path:
    return INFRA


@pytest.fixture(scope="session")
def load_script() -> Callable[[str], ModuleType]:
    """Loads a script of ``infra/``, which is no package, by its path there; it finds its neighbours as when started."""

    def load(path: str) -> ModuleType:
        folder = str((INFRA / path).parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        spec = importlib.util.spec_from_file_location(Path(path).stem, INFRA / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def metrics() -> dict[str, tuple[str, ...]]:
    """The series that the service exposes, with their labels."""
    found: dict[str, tuple[str, ...]] = {}
    for path in [*ROOT.glob("bentos/**/*.py"), *ROOT.glob("quality_gate/monitoring/**/*.py")]:
        found |= _series(ast.parse(path.read_text()))
    return found


@pytest.fixture(scope="session")
def settings() -> set[str]:
    """The environment variables that the service reads."""
    own = {PREFIX + name.upper() for name in ServiceSettings.model_fields}
    return {*own, *log_settings.VARIABLES, *review_settings.VARIABLES, HOME_VARIABLE}


def _series(tree: ast.AST) -> dict[str, tuple[str, ...]]:
    """Series of every metric that code makes with its name in place: ``Counter("name", "text", ("label",))``."""
    found: dict[str, tuple[str, ...]] = {}
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in METRIC_CLASSES:
            continue
        name = ast.literal_eval(call.args[0])
        labels = tuple(ast.literal_eval(call.args[2])) if len(call.args) > 2 else ()
        for ending in SERIES.get(call.func.id, ("",)):
            found[name + ending] = labels
    return found
