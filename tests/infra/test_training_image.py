"""What goes into the image in which steps run."""

import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner


@pytest.fixture(scope="module")
def training_image(load_script):
    return load_script("docker/training_image.py")


def test_the_libraries_of_an_extra_include_those_of_the_extras_it_names(training_image):
    project = {
        "name": "gate",
        "dependencies": ["numpy>=2"],
        "optional-dependencies": {"serve": ["bentoml"], "train": ["torch>=2", "gate[serve]"], "dev": ["pytest"]},
    }
    assert training_image.libraries(project, "train") == ["numpy>=2", "torch>=2", "bentoml"]


def test_the_image_gets_the_libraries_of_training_and_none_for_developers(training_image, infra, tmp_path):
    training_image.stage(tmp_path)
    extras = tomllib.loads((infra.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = set((tmp_path / "requirements.txt").read_text().split())
    assert {"".join(line.split()) for line in extras["serve"]} <= asked
    assert not asked & {"pytest>=9", "ruff>=0.14"}


def test_a_changed_line_of_code_changes_nothing_that_libraries_are_installed_from(training_image, tmp_path):
    training_image.stage(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"installer.txt", "requirements.txt", "constraints.txt", "project"}
    pinned = (tmp_path / "installer.txt").read_text().splitlines()
    assert all("==" in line for line in pinned)


def test_the_image_gets_the_code_that_runs_here_and_no_byte_code_of_it(training_image, infra, tmp_path):
    training_image.stage(tmp_path)
    source = infra.parent / "steps" / "ingest.py"
    assert (tmp_path / "project" / "steps" / "ingest.py").read_bytes() == source.read_bytes()
    assert not list(tmp_path.rglob("__pycache__"))
    assert not (tmp_path / "project" / "tests").exists()


def test_the_base_is_the_official_image_of_this_python_and_may_be_replaced(training_image, monkeypatch):
    commands = []
    monkeypatch.setattr(
        "subprocess.run", lambda command, **_: commands.append(command) or subprocess.CompletedProcess(command, 0)
    )
    for options in ([], ["--base-image", "mine:3.11", "--tag", "trial:1"]):
        assert CliRunner().invoke(training_image.main, options).exit_code == 0
    default, replaced = commands
    assert f"BASE_IMAGE=python:{sys.version_info.major}.{sys.version_info.minor}-slim" in default
    assert "visual-quality-gate-training:latest" in default
    assert "BASE_IMAGE=mine:3.11" in replaced
    assert "trial:1" in replaced
