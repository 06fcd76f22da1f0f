import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

import quality_gate
from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE, Home, locate, use_home

CHECKOUT = Path(quality_gate.__file__).resolve().parent.parent


@pytest.fixture
def bare(monkeypatch):
    """An environment that says nothing of any home."""
    ours = ["NO_COLOR", "ZENML_LOGGING_COLORS_DISABLED", "ZENML_REPOSITORY_PATH", "ZENML_REPOSITORY_DIRECTORY_NAME"]
    for name in [HOME_VARIABLE, *ours, *Home(Path("/")).environment()]:
        # Set first, so that what a test sets is taken back though it was not there before.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_the_state_of_a_checkout_lies_beside_its_package(bare):
    assert locate() == Home(CHECKOUT / ".quality_gate")


def test_the_home_is_the_same_from_any_directory(bare, tmp_path):
    expected = locate()
    bare.chdir(tmp_path)
    assert locate() == expected
    bare.chdir("/")
    assert locate() == expected


def test_a_fresh_process_elsewhere_finds_the_home_of_the_checkout(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != HOME_VARIABLE}
    code = "from quality_gate.home import locate; print(locate().root)"
    found = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True)
    assert found.strip() == str(CHECKOUT / ".quality_gate")


def test_the_variable_decides_where_the_state_lies(bare, tmp_path):
    bare.setenv(HOME_VARIABLE, str(tmp_path / "state"))
    assert locate() == Home(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_relative_home_is_made_absolute_from_where_the_command_was_typed(bare, tmp_path):
    bare.chdir(tmp_path)
    bare.setenv(HOME_VARIABLE, "state")
    assert locate().root == tmp_path / "state"


def test_an_empty_variable_says_nothing(bare):
    bare.setenv(HOME_VARIABLE, "")
    assert locate().root == CHECKOUT / ".quality_gate"


def test_a_home_that_is_a_file_is_told(bare, tmp_path):
    (tmp_path / "state").write_text("not a folder")
    bare.setenv(HOME_VARIABLE, str(tmp_path / "state"))
    with pytest.raises(UserError) as caught:
        locate()
    assert caught.value.message == (
        f"{HOME_VARIABLE}={tmp_path / 'state'} is a file; name a folder that may hold the state."
    )


def test_a_home_that_is_a_file_does_not_disturb_the_start_of_python(bare, tmp_path):
    (tmp_path / "state").write_text("not a folder")
    bare.setenv(HOME_VARIABLE, str(tmp_path / "state"))
    use_home()
    assert "ZENML_CONFIG_PATH" not in os.environ


def test_a_home_that_cannot_be_looked_at_does_not_disturb_the_start_of_python(bare, tmp_path):
    # As little to be looked at as what lies in another user's folder, and so for root too.
    home = tmp_path / ("x" * 300)
    bare.setenv(HOME_VARIABLE, str(home))
    use_home()
    assert locate() == Home(home)


def test_every_place_lies_in_the_home_and_no_two_are_one():
    home = Home(Path("/state"))
    places = [
        home.zenml,
        home.mlflow,
        home.bentos,
        home.demo_photos,
        home.weights,
        home.ingested,
        home.working,
        home.predictions,
        home.outbox,
        home.inbox,
        home.inbox_done,
        home.inbox_quarantine,
        home.batches("a"),
        home.reports("a"),
        home.registry("a"),
    ]
    assert len({*places}) == len(places)
    assert all(place.is_relative_to(home.root) for place in places)
    assert home.mlflow_tracking_uri == "sqlite:////state/mlflow/mlflow.db"


def test_each_gate_has_places_of_its_own():
    home = Home(Path("/state"))
    assert home.registry("apples") != home.registry("pears")
    assert home.reports("apples") != home.reports("pears")


def test_zenml_and_bentoml_are_pointed_at_the_home_and_told_to_send_nothing(bare, tmp_path):
    bare.setenv(HOME_VARIABLE, str(tmp_path))
    use_home()
    assert os.environ["ZENML_CONFIG_PATH"] == str(tmp_path / "zenml")
    assert os.environ["BENTOML_HOME"] == str(tmp_path / "bentos")
    assert os.environ["ZENML_ANALYTICS_OPT_IN"] == "false"
    assert os.environ["BENTOML_DO_NOT_TRACK"] == "true"
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"


@pytest.mark.parametrize("name", sorted(Home(Path("/")).environment()))
def test_what_the_environment_already_says_stays(bare, tmp_path, name):
    bare.setenv(HOME_VARIABLE, str(tmp_path))
    bare.setenv(name, "the user's own")
    use_home()
    assert os.environ[name] == "the user's own"


def stack_folder(**variables):
    """Where a process with these variables notes which stack is active."""
    with patch.dict(os.environ, {name: str(value) for name, value in variables.items()}):
        use_home()
        return Path(os.environ["ZENML_REPOSITORY_PATH"]) / os.environ["ZENML_REPOSITORY_DIRECTORY_NAME"]


def test_which_stack_is_active_is_noted_in_the_checkout_from_any_directory(bare, tmp_path):
    bare.chdir(tmp_path)
    assert stack_folder() == CHECKOUT / ".zen"


@pytest.mark.parametrize("variable", [HOME_VARIABLE, "ZENML_CONFIG_PATH"])
def test_each_state_has_an_active_stack_of_its_own(bare, tmp_path, variable):
    folders = {stack_folder(), *(stack_folder(**{variable: tmp_path / name}) for name in ("one", "two"))}
    assert len(folders) == 3
    assert {folder.parent for folder in folders} == {CHECKOUT}


def test_a_home_that_is_a_file_leaves_the_active_stack_of_the_checkout_alone(bare, tmp_path):
    (tmp_path / "state").write_text("not a folder")
    assert stack_folder(**{HOME_VARIABLE: tmp_path / "state"}) != CHECKOUT / ".zen"


@pytest.mark.parametrize(
    ("terminal", "no_color", "already", "expected"),
    [
        (True, None, None, None),
        (False, None, None, "true"),
        (True, "1", None, "true"),
        (False, None, "false", "false"),
    ],
)
def test_colours_are_for_terminals_whose_user_wants_them(bare, tmp_path, terminal, no_color, already, expected):
    bare.setenv(HOME_VARIABLE, str(tmp_path))
    bare.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: terminal))
    for name, value in {"NO_COLOR": no_color, "ZENML_LOGGING_COLORS_DISABLED": already}.items():
        if value is not None:
            bare.setenv(name, value)
    use_home()
    assert os.environ.get("ZENML_LOGGING_COLORS_DISABLED") == expected
