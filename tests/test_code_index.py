import shutil
from pathlib import Path

import pytest

from quality_gate import code_index as module
from quality_gate.code_index import PACKAGES, CodeIndex, library_versions

ROOT = Path(module.__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path):
    """Writes files of a project and gives what a module of it reaches, by path."""

    def written(module, files, **options):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        found = CodeIndex(tmp_path, **options).reachable(module)
        return {path.relative_to(tmp_path).as_posix() for path in found}

    return written


class TestWhatAModuleReaches:
    def test_itself_and_the_packages_around_it(self, project):
        files = {"steps/__init__.py": "", "steps/a/__init__.py": "", "steps/a/b.py": "", "steps/c.py": ""}
        assert project("steps.a.b", files) == {"steps/__init__.py", "steps/a/__init__.py", "steps/a/b.py"}

    @pytest.mark.parametrize(
        "line",
        [
            "import steps.b",
            "import steps.b as other",
            "from steps import b",
            "from steps.b import B",
            "from steps.b import *",
            "from . import b",
            "from .b import B",
            "def f():\n    from steps.b import B",
            "try:\n    import steps.b\nexcept ImportError:\n    pass",
            "if not __debug__:\n    import steps.b",
            "if TYPE_CHECKING:\n    pass\nelse:\n    import steps.b",
            "module = importlib.import_module('steps.b')",
            "program = 'steps.b:main'",
            "carried = ('steps/b.py',)",
        ],
    )
    def test_what_it_imports_or_names(self, project, line):
        assert project("steps.a", {"steps/a.py": line, "steps/b.py": "B = 1"}) == {"steps/a.py", "steps/b.py"}

    @pytest.mark.parametrize(
        "line",
        [
            "if TYPE_CHECKING:\n    import steps.b",
            "if typing.TYPE_CHECKING:\n    from steps import b",
            "import json",
            "import other.b",
            '"""See steps.b and steps/b.py."""',
        ],
    )
    def test_nothing_else(self, project, line):
        assert project("steps.a", {"steps/a.py": line, "steps/b.py": "B = 1"}) == {"steps/a.py"}

    def test_what_others_import_for_it_in_circles_too(self, project):
        files = {
            "steps/a.py": "import bentos.b",
            "bentos/b.py": "from steps.c import C",
            "steps/c.py": "import steps.a",
        }
        assert project("steps.a", files) == set(files)

    def test_what_a_package_hands_through(self, project):
        files = {
            "steps/a.py": "from quality_gate.shown import thing",
            "quality_gate/shown/__init__.py": "from .hidden import thing",
            "quality_gate/shown/hidden.py": "thing = 1",
            "quality_gate/shown/other.py": "",
        }
        assert project("steps.a", files) == set(files) - {"quality_gate/shown/other.py"}

    def test_templates_by_name_with_those_they_build_on(self, project):
        folder = "quality_gate/reports/templates"
        files = {
            "steps/a.py": "render('page.html.j2')",
            f"{folder}/page.html.j2": "{% extends \"base.html.j2\" %}{% import 'parts.html.j2' as parts %}",
            f"{folder}/base.html.j2": "",
            f"{folder}/parts.html.j2": "",
            f"{folder}/other.html.j2": "",
        }
        assert project("steps.a", files) == set(files) - {f"{folder}/other.html.j2"}

    def test_all_files_of_a_folder_of_data_it_names(self, project):
        files = {"steps/a.py": "FOLDER = 'expectations'", "expectations/one.yaml": "", "expectations/two.yaml": ""}
        assert project("steps.a", files) == set(files)

    def test_not_what_is_left_out(self, project):
        files = {"steps/__init__.py": "from steps import b", "steps/a.py": "", "steps/b.py": ""}
        assert project("steps.a", files, leave_out=["steps"]) == {"steps/a.py"}

    def test_a_module_that_is_not_there_is_an_error(self, project):
        with pytest.raises(KeyError):
            project("steps.b", {"steps/a.py": ""})


STEPS = sorted(
    path.stem
    for path in (ROOT / "steps").glob("*.py")
    if any(line.startswith("@step") for line in path.read_text().splitlines())
)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The real project's code, at another place."""
    root = tmp_path_factory.mktemp("project")
    for folder in (*PACKAGES, "expectations"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def digests(root):
    index = CodeIndex(root, leave_out=["steps"])
    return {step: index.digest(f"steps.{step}") for step in STEPS}


@pytest.fixture(scope="module")
def unchanged(copied):
    return digests(copied)


def test_installed_elsewhere_the_steps_have_the_same_digests(unchanged):
    assert digests(ROOT) == unchanged


OF_DRIFT = {"read_window", "detect_drift", "report_drift"}
OF_PRODUCTION = {"answer_batch", "report_batch", "report_performance", "settle_batch"}


@pytest.mark.parametrize(
    ("file", "steps"),
    [
        ("steps/calibrate.py", {"calibrate"}),
        ("quality_gate/training/suspects.py", {"find_suspects"}),
        ("quality_gate/training/head.py", {"find_suspects", "train_transfer", "tune", "cross_validate"}),
        ("quality_gate/data/scenes/painting.py", {"ingest"}),
        ("quality_gate/tuning/study.py", {"tune"}),
        ("quality_gate/reports/evaluation_page.py", {"gate", "promote"}),
        ("quality_gate/reports/templates/evaluation.html.j2", {"gate", "promote"}),
        (
            "quality_gate/models/export.py",
            {"find_suspects", "train_transfer", "tune", "cross_validate", "prepare_serving"},
        ),
        ("expectations/image_table.yaml", {"validate", "report_drift"}),
        ("quality_gate/drift/detection.py", OF_DRIFT),
        ("bentos/service.py", {"package", "find_rival"}),
        (
            "quality_gate/settings.py",
            set(STEPS) - {"ingest", "package", "find_rival", "start_scheduled"} - OF_PRODUCTION - OF_DRIFT,
        ),
        ("quality_gate/cli.py", set()),
    ],
)
def test_a_changed_line_changes_exactly_the_steps_that_can_reach_it(copied, unchanged, file, steps):
    content = (copied / file).read_text()
    (copied / file).write_text(f"{content}\n")
    after = digests(copied)
    (copied / file).write_text(content)
    assert {step for step in STEPS if after[step] != unchanged[step]} == steps


def test_every_file_of_data_is_reached_by_some_step_or_by_the_command_line(copied):
    index = CodeIndex(copied, leave_out=["steps"])
    users = ["quality_gate.cli", *(f"steps.{step}" for step in STEPS)]
    reached = set().union(*(index.reachable(user) for user in users))
    data = {path for path in copied.rglob("*") if path.is_file() and path.suffix != ".py"}
    assert data
    assert data <= reached


def test_the_libraries_are_those_the_project_names_without_those_of_developers():
    found = library_versions()
    assert {"python", "torch", "numpy", "scikit-learn", "pillow", "zenml", "bentoml"} <= set(found)
    assert not {"pytest", "ruff", "mypy", "visual-quality-gate"} & set(found)


def test_without_an_installation_python_alone_is_known(monkeypatch):
    monkeypatch.setattr(module, "DISTRIBUTION", "not-installed-at-all")
    assert set(library_versions()) == {"python"}
