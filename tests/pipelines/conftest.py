"""One gate trained small in the session's checkout, and what it looks like from outside."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from quality_gate.data.scenes import write_demo_photos
from quality_gate.home import Home
from quality_gate.ledger import Ledger, LedgerEntry
from quality_gate.tuning.settings import SearchSettings

NAME = "visual_quality_gate"

# Every model is small and quickly trained, and every gate lets it through.
SMALL: dict[str, Any] = {
    "data": {"workers": 1},
    "baselines": {"scratch_epochs": 1, "scratch_size": 32},
    "transfer": {"size": 64, "augmented_views": 0, "finetune_epochs": 1, "finetune_min_photos": 0, "threads": 1},
    "serving": {"calibration_photos": 8},
    "evaluation": {"bootstrap_resamples": 100, "worst_errors": 2},
    "gate": {
        "min_macro_f1": 0, "min_class_recall": 0, "max_brier": 2, "max_ece": 1, "min_margin_over_baselines": -1,
        "non_inferiority_margin": 1, "max_coverage_loss": 1, "max_latency_ms": 60_000,
    },
}  # fmt: skip


# Whether to fine-tune, how fast, and on how many copies.
SEARCH: dict[str, Any] = dict.fromkeys(SearchSettings.model_fields) | {
    "augmented_views": [0, 1],
    "finetune_min_photos": [0, 2000],
    "learning_rate": {"low": 1e-4, "high": 1e-2},
}

# A command for one file after another, in one process: starting takes longer than failing.
RUN_EACH = """
import sys, traceback
from zenml_cli import cli
for file in sys.argv[2:]:
    print(f"=== {file} ===", file=sys.stderr, flush=True)
    code = 0
    try:
        cli.main(["pipeline", "run", sys.argv[1], "--config", file], prog_name="zenml")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    print(f"=== code {code} ===", file=sys.stderr, flush=True)
"""


@dataclass(frozen=True)
class Gate:
    """The gate called ``name``, seen by what its runs leave in the checkout."""

    home: Home
    name: str = NAME

    def entries(self) -> list[LedgerEntry]:
        return Ledger(self.home.registry(self.name)).entries()

    def champion(self) -> str | None:
        """Version the ledger says."""
        entry = Ledger(self.home.registry(self.name)).champion()
        return entry.version if entry else None

    def alias(self) -> str:
        """Version that MLflow's alias says."""
        return str(self.mlflow().get_model_version_by_alias(self.name, "champion").version)

    def served(self) -> str:
        """Version of the model in the newest Bento; the Bento has to be whole."""
        from quality_gate.models.manifest import ModelManifest
        from quality_gate.models.smoke import smoke_test

        store = self.home.bentos / "bentos" / self.name
        model = store / (store / "latest").read_text() / "src" / "bentos" / "model"
        smoke_test(model)
        return str(ModelManifest.load(model).version)

    def agrees_on(self, version: str) -> bool:
        """Whether ledger, registry and Bento say the same."""
        return (self.champion(), self.alias(), self.served()) == (version, version, version)

    def mlflow(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.home.mlflow_tracking_uri, registry_uri=self.home.mlflow_tracking_uri)

    def mlflow_run(self, run: str) -> Any:
        """The MLflow run of a pipeline run."""
        experiment = self.mlflow().get_experiment_by_name(self.name)
        return self.mlflow().search_runs([experiment.experiment_id], f"attributes.run_name = '{run}'")[0]

    def newest_mlflow_run(self) -> Any:
        experiment = self.mlflow().get_experiment_by_name(self.name)
        return self.mlflow().search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0]


@dataclass(frozen=True)
class Run:
    """How a pipeline run ended, what it said, and the decisions about models that stood in the ledger then."""

    code: int
    said: str
    entries: list[LedgerEntry]

    @property
    def error(self) -> str:
        """The one line for the user."""
        assert "Traceback" not in self.said, self.said
        (line,) = [line for line in self.said.splitlines() if line.startswith("Error: ")]
        assert self.said.count(line.removeprefix("Error: ")) == 1, f"said more than once:\n{self.said}"
        return line


@pytest.fixture(scope="session")
def gate(checkout):
    return Gate(Home(checkout.root / ".quality_gate"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """24 training and 10 test photos of each of four classes, and two files that cannot be read."""
    folder = tmp_path_factory.mktemp("photos") / "market"
    write_demo_photos(folder, train_per_class=24, test_per_class=10, size=96, workers=1)
    whole = next((folder / "train" / "onion").iterdir()).read_bytes()
    (folder / "train" / "onion" / "cut_off.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "train" / "tomato" / "empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def run_each(checkout) -> Callable[..., dict[str, tuple[int, str]]]:
    """Runs a pipeline with one configuration after the other; code and output of each by the name of its file."""

    def run(pipeline: str, *files: str) -> dict[str, tuple[int, str]]:
        code, said = checkout.run("python", "-c", RUN_EACH, pipeline, *files)
        assert code == 0, said
        parts = re.findall(r"^=== (\S+)\.yaml ===$(.*?)^=== code (\d+) ===$", said, flags=re.DOTALL | re.MULTILINE)
        return {file: (int(code), text) for file, text, code in parts}

    return run


@pytest.fixture(scope="session")
def small() -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Makes the parameters of a run cheap, and has its gate let every model through."""
    return lambda parameters: _laid_over(parameters, SMALL)


@pytest.fixture(scope="session")
def configure(checkout):
    """Writes a run configuration: the small one with changed sections; returns its name, below the working folder.

    ``enable_cache`` and ``settings`` stand beside the parameters.
    """
    return lambda file, source, **changes: _configure(checkout.work / file, source, changes)


def _configure(path: Path, source: Path, changes: dict[str, Any]) -> str:
    beside = {key: changes.pop(key) for key in ("enable_cache", "settings") if key in changes}
    parameters = _laid_over(SMALL | {"data": {"source": str(source), "workers": 1}}, changes)
    path.write_text(yaml.safe_dump({**beside, "parameters": parameters}))
    return path.name


def _laid_over(parameters: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with some of the values of their sections changed."""
    changed = dict(parameters)
    for section, values in changes.items():
        changed[section] = changed.get(section, {}) | values if isinstance(values, dict) else values
    return changed


@pytest.fixture(scope="session")
def train(checkout, gate):
    """Runs the pipeline the way a user does."""

    def run(configuration: str) -> Run:
        code, said = checkout.run("zenml", "pipeline", "run", "training", "--config", configuration)
        return Run(code, said, gate.entries())

    return run


@pytest.fixture(scope="session")
def champion(train, configure, photos):
    """The first run of the checkout; its model is champion."""
    run = train(configure("market.yaml", photos))
    assert run.code == 0, run.said
    return run


@pytest.fixture(scope="session")
def mislabelled(photos, tmp_path_factory):
    """The same photos, a fifth of the training photos of each class moved to the next class."""
    folder = tmp_path_factory.mktemp("mislabelled") / "market"
    shutil.copytree(photos, folder)
    classes = sorted(path.name for path in (folder / "train").iterdir())
    moved = {name: sorted((folder / "train" / name).glob(f"{name}_*"))[:5] for name in classes}
    for name, target in zip(classes, [*classes[1:], classes[0]], strict=True):
        for photo in moved[name]:
            photo.rename(folder / "train" / target / photo.name)
    return folder


@pytest.fixture(scope="session")
def tune(checkout, configure, photos):
    """Tunes a gate called ``tuned``, with so many trials; settings of tuning that are named stand in its file."""

    def run(trials: int, **changes: Any) -> tuple[int, str]:
        file = configure("tuning.yaml", photos, name="tuned", tuning={"trials": trials, "search": SEARCH} | changes)
        return checkout.run("zenml", "pipeline", "run", "tuning", "--config", file)

    return run


@pytest.fixture(scope="session")
def tuned(tune):
    """What the first three trials said."""
    code, said = tune(3)
    assert code == 0, said
    return said
