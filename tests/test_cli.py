import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from types import SimpleNamespace
from typing import get_args

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from quality_gate import cli, deployment
from quality_gate.cli import DEFAULT_NAME, main
from quality_gate.explanation.settings import Method
from quality_gate.home import Home
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import ModelManifest
from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.registry import Registry
from quality_gate.review.settings import read_review_settings
from quality_gate.settings import TrainingSettings
from quality_gate.tracking import open_run


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def run(home):
    """Calls the command line; its errors end in an exit status, and nothing in a stack trace."""

    def call(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert isinstance(result.exception, SystemExit | None)
        return result

    return call


@pytest.fixture
def plugins(monkeypatch):
    """Takes the place of what other packages offer; returns what was called."""
    calls = []

    def build(folder, *, name):
        calls.append(("packed", name, ModelManifest.load(folder).version))
        return f"{name}:built"

    def changed(name, champion):
        calls.append(("changed", name, champion))

    offered = {"quality_gate.packager": [build], "quality_gate.champion_changed": [changed]}

    def entry_points(group):
        return [SimpleNamespace(name="plugin", load=lambda found=found: found) for found in offered[group]]

    monkeypatch.setattr(cli, "entry_points", entry_points)
    return SimpleNamespace(calls=calls, offered=offered)


@pytest.fixture
def promoted(home, empty_mlflow_database, write_tiny_model, make_entry, tmp_path):
    """Promotes as many models as it is asked for, in a home of the test's own."""

    def promote(count):
        home.mlflow.mkdir(parents=True)
        shutil.copyfile(empty_mlflow_database, home.mlflow / "mlflow.db")
        registry = Registry(DEFAULT_NAME, Ledger(home.registry(DEFAULT_NAME)), home.mlflow_tracking_uri)
        for seed in range(count):
            model = write_tiny_model(tmp_path / f"trained {seed}", version=None, seed=seed)
            tracked = open_run(home.mlflow_tracking_uri, home.mlflow / "artifacts", DEFAULT_NAME, f"run {seed}")
            model_uri = tracked.log_folder(model, "model")
            number = registry.register(tracked.run_id, model_uri, {})
            registry.promote(make_entry("promoted", number, model_uri=model_uri))
        return registry

    return promote


def every_call(command, *words):
    """The words that call a command and each of those below it."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from every_call(below, *words, name)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_names_every_command_with_what_it_does(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 0
    for name, command in main.commands.items():
        assert f"{name} " in result.stdout
        assert command.help.split(",")[0].split(".")[0] in " ".join(result.stdout.split())
    assert "zenml pipeline run training" in result.stdout


@pytest.mark.parametrize("command", main.commands)
def test_each_command_explains_each_of_its_options(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    options = [parameter for parameter in main.commands[command].params if isinstance(parameter, click.Option)]
    for option in options:
        assert option.help
        assert option.opts[0] in result.stdout


@pytest.mark.parametrize("words", sorted(every_call(main)), ids=" ".join)
def test_no_mark_of_the_layout_is_left_in_the_help(run, words):
    result = run(*words, "--help")
    assert result.exit_code == 0
    assert "\\" not in result.stdout
    assert "\b" not in result.stdout


def test_the_ways_to_explain_stand_below_each_other(run):
    lines = [line.split() for line in run("explain", "--help").stdout.splitlines()]
    begins = {line[0] for line in lines if line}
    assert begins >= set(get_args(Method))


def test_the_commands_are_those_that_are_documented():
    assert sorted(main.commands) == [
        "cifar10",
        "demo",
        "deploy",
        "explain",
        "labels",
        "monitor",
        "rollback",
        "schedule",
        "status",
    ]


def test_the_version_is_that_of_the_installation(run):
    assert version("visual-quality-gate") in run("--version").stdout


@pytest.mark.parametrize("arguments", [["trian"], ["status", "--jsn"], ["demo"], ["monitor", "--port", "99999"]])
def test_a_mistyped_call_is_answered_with_the_usage(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_the_default_gate_is_that_of_the_settings():
    assert TrainingSettings().name == DEFAULT_NAME


@pytest.mark.parametrize("command", ["status", "deploy", "rollback"])
def test_before_the_first_training_the_way_to_train_is_told(run, command):
    result = run(command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: There is no gate '{DEFAULT_NAME}'; nothing was trained yet. "
        "Train one with: zenml pipeline run training\n"
    )


@pytest.mark.parametrize("name", ["aples", "", "../registry", "."])
def test_an_unknown_gate_is_answered_with_those_there_are(run, home, make_entry, name):
    for known in ("pears", "apples"):
        Ledger(home.registry(known)).append(make_entry())
    (home.root / "registry" / "half made").mkdir()
    result = run("status", "--name", name)
    assert result.exit_code == 1
    expected = f"Error: There is no gate {name!r}; the gates trained so far are apples, pears."
    assert result.stderr.startswith(expected)
    assert result.stderr.count("\n") == 1


def test_looking_at_a_gate_changes_nothing(run, home, make_entry):
    Ledger(home.registry(DEFAULT_NAME)).append(make_entry())
    before = files(home.root)
    assert run("status").exit_code == 0
    run("status", "--name", "unknown")
    assert files(home.root) == before


def test_the_status_is_text_for_a_person(run, home, make_entry):
    Ledger(home.registry("apples")).append(make_entry(version="7"))
    result = run("status", "--name", "apples")
    assert result.exit_code == 0
    assert "Champion: apples:7" in result.stdout
    assert str(home.mlflow / "mlflow.db") in result.stdout


def test_the_status_is_one_json_object_for_a_program(run, home, make_entry):
    Ledger(home.registry(DEFAULT_NAME)).append(make_entry(version="7"))
    result = run("status", "--json")
    assert json.loads(result.stdout)["champion"]["version"] == "7"
    assert result.stderr == ""


def test_a_ledger_changed_by_hand_is_one_sentence(run, home, make_entry):
    ledger = Ledger(home.registry(DEFAULT_NAME))
    ledger.append(make_entry())
    ledger.path.write_text("<<<<<<<\n")
    result = run("status", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    expected = f"Error: {ledger.path}: line 1 is no ledger entry; restore the file from a copy.\n"
    assert result.stderr == expected


def test_a_home_that_is_a_file_is_one_sentence(run, home):
    home.root.write_text("")
    result = run("status")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: QUALITY_GATE_HOME=")
    assert result.stderr.count("\n") == 1


HOW_TO_SERVE = f"Servers of {DEFAULT_NAME}:latest take it now; start one with: bentoml serve {DEFAULT_NAME}:latest"


def test_deploy_packs_the_champion_and_changes_no_champion(run, promoted, plugins):
    registry = promoted(2)
    result = run("deploy")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{DEFAULT_NAME}:2 is packed as {DEFAULT_NAME}:built.",
        HOW_TO_SERVE,
    ]
    assert plugins.calls == [("packed", DEFAULT_NAME, "2")]
    assert len(registry.ledger.entries()) == 2


def test_deploy_waits_for_the_server_it_is_told_of_and_says_so_before(run, promoted, plugins, monkeypatch):
    monkeypatch.setattr(
        deployment, "wait_until_served", lambda url, version: click.echo(f"asked {url} for version {version}")
    )
    promoted(1)
    result = run("deploy", "--url", "http://127.0.0.1:3000")
    assert result.stdout.splitlines() == [
        f"{DEFAULT_NAME}:1 is packed as {DEFAULT_NAME}:built.",
        "Waiting up to 60 s for http://127.0.0.1:3000 to serve it.",
        "asked http://127.0.0.1:3000 for version 1",
        f"http://127.0.0.1:3000 answers with {DEFAULT_NAME}:1.",
    ]


def test_deploy_packs_nothing_for_an_address_that_is_none(run, promoted, plugins):
    promoted(1)
    result = run("deploy", "--url", "127.0.0.1:3000")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: 127.0.0.1:3000 is no address of a server; expected one such as http://127.0.0.1:3000\n"
    )
    assert plugins.calls == []


def test_a_gate_that_has_only_refused_has_nothing_to_deploy(run, home, make_entry, plugins):
    Ledger(home.registry(DEFAULT_NAME)).append(make_entry("refused", None))
    result = run("deploy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr == f"Error: {DEFAULT_NAME} has no champion yet; see quality-gate status --name {DEFAULT_NAME}\n"
    )
    assert plugins.calls == []


def test_a_rollback_packs_the_former_champion_and_tells_how_to_serve_it(run, promoted, plugins):
    registry = promoted(2)
    result = run("rollback")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{DEFAULT_NAME}:1 is champion again, packed as {DEFAULT_NAME}:built.",
        HOW_TO_SERVE,
    ]
    assert plugins.calls == [("packed", DEFAULT_NAME, "1"), ("changed", DEFAULT_NAME, "1")]
    assert registry.ledger.champion().version == "1"


def test_a_gate_is_explained_by_its_champion(run, promoted, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "quality_gate.explanation.photos.open_explainer",
        lambda folder, settings: seen.append((ModelManifest.load(folder).version, settings.method)),
    )
    promoted(2)
    Image.new("RGB", (40, 40)).save(tmp_path / "photo.png")
    result = run("explain", "--output", tmp_path / "page.html", tmp_path / "photo.png")
    assert seen == [("2", "class_activation")]
    # The tiny models of these tests have no weights.
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_rollback_without_a_former_champion_is_one_sentence(run, home, make_entry, plugins):
    Ledger(home.registry(DEFAULT_NAME)).append(make_entry())
    result = run("rollback")
    assert (result.exit_code, result.stdout) == (1, "")
    expected = f"Error: {DEFAULT_NAME} has no former champion to roll back to; see quality-gate status.\n"
    assert result.stderr == expected
    assert plugins.calls == []


def test_a_rollback_to_a_model_whose_files_are_gone_is_one_sentence_and_changes_nothing(run, promoted, plugins):
    registry = promoted(2)
    shutil.rmtree(registry.ledger.champions()[0].model_uri)
    result = run("rollback")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {DEFAULT_NAME}:1 cannot be read from ")
    assert plugins.calls == []
    assert registry.ledger.champion().version == "2"


def test_without_a_packager_nothing_is_rolled_back(run, promoted, plugins):
    registry = promoted(2)
    plugins.offered["quality_gate.packager"].clear()
    result = run("rollback")
    assert result.exit_code == 1
    assert result.stderr == "Error: No packager is installed; reinstall the project with: make install\n"
    assert registry.ledger.champion().version == "2"


def test_the_installed_packager_is_the_one_of_the_bentos():
    from bentos.package import build_bento

    assert cli._packager() is build_bento


def test_demo_photos_are_painted_into_class_folders(run, tmp_path):
    result = run("demo", tmp_path / "photos", "--train", "1", "--test", "1")
    assert result.exit_code == 0
    assert result.stdout == f"8 photos in {tmp_path / 'photos'}.\n"
    classes = ("noise", "onion", "potato", "tomato")
    expected = [f"{split}/{label}/{label}_0001.jpg" for split in ("test", "train") for label in classes]
    assert files(tmp_path / "photos") == expected


def test_a_seed_and_a_shift_change_the_photos(run, tmp_path):
    made = {}
    for name, options in {"plain": [], "again": [], "seed": ["--seed", "8"], "dark": ["--shift", "dark"]}.items():
        assert run("demo", tmp_path / name, "--train", "1", "--test", "0", *options).exit_code == 0
        made[name] = (tmp_path / name / "train/onion/onion_0001.jpg").read_bytes()
    assert made["plain"] == made["again"]
    assert len(set(made.values())) == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--train", "-1"], "train_per_class is -1; expected a whole number from 0."),
        (["--train", "0", "--test", "0"], "expected at least one photo a class."),
        (["--seed", "-1"], "seed is -1; expected a whole number from 0."),
        (["--shift", "foggy"], "Shift 'foggy' is unknown; expected one of dark, warm, blur, new_background."),
    ],
)
def test_an_impossible_request_for_demo_photos_is_one_sentence_and_paints_nothing(run, tmp_path, options, sentence):
    result = run("demo", tmp_path / "photos", *options)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "photos").exists()


def test_demo_photos_are_not_mixed_with_what_a_folder_holds(run, tmp_path):
    (tmp_path / "mine.jpg").write_text("mine")
    result = run("demo", tmp_path, "--train", "1")
    assert result.exit_code == 1
    assert "already holds something" in result.stderr
    assert (tmp_path / "mine.jpg").read_text() == "mine"


def test_a_number_that_is_none_is_answered_with_the_usage(run, tmp_path):
    result = run("demo", tmp_path / "photos", "--train", "many")
    assert result.exit_code == 2
    assert "'many' is not a valid integer" in result.stderr


def test_the_installed_command_answers_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path / "home"))
    command = f"{sys.prefix}/bin/quality-gate"
    result = subprocess.run([command, "status"], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: There is no gate ")


def test_the_installed_command_tells_of_a_home_that_is_a_file_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path / "home"))
    result = subprocess.run([f"{sys.prefix}/bin/quality-gate", "status"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: QUALITY_GATE_HOME=")
    assert result.stderr.count("\n") == 1


def test_a_mirror_that_is_away_is_told_of_and_undoes_nothing(run, promoted, plugins):
    def away(name, champion):
        raise ConnectionError("no server")

    plugins.offered["quality_gate.champion_changed"] = [away]
    registry = promoted(2)
    result = run("rollback")
    assert result.exit_code == 0
    assert "Warning: plugin does not show the new champion yet (no server)." in result.stderr
    assert registry.ledger.champion().version == "1"


class TestLabels:
    SHA = "a" * 64

    @pytest.fixture
    def waiting(self, home, make_entry, make_prediction):
        """A gate with a champion, and a photo that waits for review."""
        Ledger(home.registry(DEFAULT_NAME)).append(make_entry("promoted", "1"))
        with read_log_settings().open_log() as log:
            log.write([make_prediction(gate=DEFAULT_NAME, image_sha256=self.SHA, review_reason="audit")])
        read_review_settings().open_photos().keep(self.SHA, b"photo")

    def test_go_out_as_a_file_and_come_back(self, run, waiting, tmp_path):
        file = tmp_path / "labels.csv"
        said = run("labels", "export", file)
        assert (said.exit_code, said.output.splitlines()[0].startswith(f"1 rows in {file}")) == (0, True)
        file.write_text(f"image_sha256,label\n{self.SHA},onion\n")
        assert run("labels", "import", "--reviewer", "dora", file).output == (
            "1 labels added, 0 known already, 0 rows without a label.\n"
        )
        run("labels", "export", file)
        assert f"onion,label,dora,{datetime.now(UTC):%Y-%m}" in file.read_text()

    def test_photos_whose_files_are_gone_are_counted_apart(self, run, waiting, tmp_path):
        read_review_settings().open_photos().path(self.SHA).unlink()
        said = run("labels", "export", tmp_path / "labels.csv").output.splitlines()
        assert said[0].startswith("0 rows in ")
        assert said[1] == "1 photos more were for review; their files are gone, as too old or too many."

    def test_a_wrong_label_is_one_sentence(self, run, waiting, tmp_path):
        (tmp_path / "labels.csv").write_text(f"image_sha256,label\n{self.SHA},carrot\n")
        said = run("labels", "import", tmp_path / "labels.csv")
        assert said.exit_code == 1
        assert said.output == (
            f"Error: {tmp_path}/labels.csv, line 2: 'carrot' is no class; the classes are onion, potato, tomato; "
            "nothing was imported.\n"
        )

    def test_a_gate_without_a_champion_has_no_classes(self, run, home, make_entry, tmp_path):
        Ledger(home.registry(DEFAULT_NAME)).append(make_entry("refused", None))
        said = run("labels", "import", tmp_path / "labels.csv")
        assert (said.exit_code, "has no champion yet" in said.output) == (1, True)

    @pytest.mark.parametrize("command", ["export", "import"])
    def test_an_unknown_gate_is_one_sentence_and_no_file(self, run, waiting, tmp_path, command):
        said = run("labels", command, "--name", "nope", tmp_path / "labels.csv")
        assert (said.exit_code, said.stdout) == (1, "")
        assert said.stderr == (
            f"Error: There is no gate 'nope'; the gates trained so far are {DEFAULT_NAME}. "
            "Train one with: zenml pipeline run training\n"
        )
        assert not (tmp_path / "labels.csv").exists()

    def test_a_gate_that_has_answered_nothing_yet_has_no_rows(self, run, home, make_entry, tmp_path):
        Ledger(home.registry(DEFAULT_NAME)).append(make_entry("promoted", "1"))
        said = run("labels", "export", tmp_path / "labels.csv")
        assert (said.exit_code, said.stdout.split(" in ")[0]) == (0, "0 rows")

    def test_a_database_that_is_away_is_one_sentence(self, run, waiting, monkeypatch, tmp_path):
        monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/nowhere")
        said = run("labels", "export", tmp_path / "labels.csv")
        assert said.exit_code == 1
        assert said.output.startswith("Error: The prediction log cannot be used: postgresql://127.0.0.1:1/")
        assert "hunter2" not in said.output


def test_there_is_nothing_to_monitor_before_the_first_drift_run(run):
    result = run("monitor")
    assert result.exit_code == 1
    assert "No window was looked at for drift yet; run: zenml pipeline run drift" in result.stderr
