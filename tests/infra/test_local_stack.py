"""Setting up the local stack: once, again, and as seen from elsewhere."""

import json
from dataclasses import replace
from types import ModuleType

import pytest

STACK = """
import json, os
from zenml.client import Client
stack = Client().active_stack_model
print(json.dumps({
    "name": stack.name,
    "components": sorted(kind.value for kind in stack.components),
    "tracker": Client().active_stack.experiment_tracker.get_tracking_uri(),
    "store": Client().active_stack.artifact_store.path,
    "bentos": os.environ["BENTOML_HOME"],
}))
"""


@pytest.fixture(scope="module")
def local(load_script) -> ModuleType:
    return load_script("stacks/local.py")


def seen(checkout) -> dict[str, object]:
    code, said = checkout.run("python", "-c", STACK)
    assert code == 0, said
    return json.loads(said.splitlines()[-1])


@pytest.mark.pipeline
def test_the_stack_is_active_and_keeps_everything_in_the_home_of_the_checkout(checkout):
    home = checkout.root / ".quality_gate"
    assert seen(checkout) == {
        "name": "visual_quality_gate",
        "components": ["artifact_store", "experiment_tracker", "model_registry", "orchestrator"],
        "tracker": f"sqlite:///{home}/mlflow/mlflow.db",
        "store": seen(checkout)["store"],
        "bentos": str(home / "bentos"),
    }
    assert str(seen(checkout)["store"]).startswith(str(home))


@pytest.mark.pipeline
def test_setting_up_again_changes_nothing(checkout):
    before = seen(checkout)
    code, said = checkout.run("python", str(checkout.root / "infra" / "stacks" / "local.py"))
    assert code == 0, said
    assert seen(checkout) == before


@pytest.mark.pipeline
def test_the_stack_is_active_from_any_directory(checkout, tmp_path):
    assert seen(replace(checkout, work=tmp_path)) == seen(checkout)


@pytest.mark.pipeline
def test_another_home_has_an_active_stack_of_its_own(checkout, tmp_path):
    before = seen(checkout)
    home = tmp_path / "state"
    elsewhere = replace(checkout, environment={**checkout.environment, "QUALITY_GATE_HOME": str(home)})

    code, said = elsewhere.run("python", str(checkout.root / "infra" / "stacks" / "local.py"))

    assert code == 0, said
    there = seen(elsewhere)
    assert there["name"] == before["name"]
    assert there["tracker"] == f"sqlite:///{home}/mlflow/mlflow.db"
    assert str(there["store"]).startswith(str(home))
    assert seen(checkout) == before


def test_the_startup_file_is_written_once(local, tmp_path):
    local.remember(tmp_path)
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    local.remember(tmp_path)
    assert file.stat().st_mtime_ns == written
    assert file.suffix == ".pth"


def test_the_startup_file_points_to_the_home(local, tmp_path, monkeypatch):
    import os

    local.remember(tmp_path)
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZENML_CONFIG_PATH", raising=False)
    exec(next(tmp_path.glob("*.pth")).read_text())
    assert os.environ["ZENML_CONFIG_PATH"] == str(tmp_path / "home" / "zenml")
