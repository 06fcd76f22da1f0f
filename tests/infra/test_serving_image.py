"""What goes into an image: the newest Bento, in the versions it was built with."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from quality_gate.errors import UserError


@pytest.fixture(scope="module")
def serving_image(load_script):
    return load_script("docker/serving_image.py")


@pytest.fixture
def store(tmp_path):
    """A store with two Bentos of one gate; the newer is the one that was built last, whatever its name."""
    for version in ("2-former", "1-newest"):
        bento = tmp_path / "store" / "bentos" / "produce" / version
        (bento / "env" / "python").mkdir(parents=True)
        (bento / "env" / "python" / "requirements.txt").write_text("numpy==2.1.0\nSome_Package[extra]==3\n")
        (bento / "src" / "__pycache__").mkdir(parents=True)
        (bento / "src" / "service.py").write_text("")
    (bento.parent / "latest").write_text("1-newest\n")
    return tmp_path / "store"


@pytest.fixture
def docker(serving_image, monkeypatch):
    """In place of Docker: keeps its commands, and what lay in the build context."""
    calls = []

    def run(command, *, env, check):
        context = Path(command[-1])
        files = {str(file.relative_to(context)): file.read_text() for file in context.rglob("*") if file.is_file()}
        calls.append((command, files, env))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("subprocess.run", run)
    return calls


def test_the_newest_bento_is_taken(serving_image, store):
    assert serving_image.find_bento(store, "produce").name == "1-newest"


def test_a_gate_without_a_bento_is_told_with_those_there_are(serving_image, store):
    with pytest.raises(UserError, match=r"'other', but .*store holds no Bento of it: there is one of produce\."):
        serving_image.find_bento(store, "other")


def test_an_empty_store_says_what_builds_one(serving_image, tmp_path):
    with pytest.raises(UserError, match="there is none; `make training` builds one"):
        serving_image.find_bento(tmp_path, "produce")


def test_the_bentos_own_versions_win_over_those_of_the_checkout(serving_image, store, tmp_path):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("attrs==26\nnumpy==2.4.6\nsome-package==4\nnumpy-extra==1\n")
    target = tmp_path / "context"
    target.mkdir()
    bento = serving_image.find_bento(store, "produce")
    serving_image.stage(bento, target, constraints=constraints)
    assert (target / "constraints.txt").read_text() == "attrs==26\nnumpy-extra==1\n"
    assert (target / "bento" / "src" / "service.py").exists()
    assert not (target / "bento" / "src" / "__pycache__").exists()


def test_the_image_is_called_as_the_bento(serving_image, store, docker, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(store))
    result = CliRunner().invoke(serving_image.main, ["produce", "--base-image", "python-base:3.11"])
    assert result.exit_code == 0, result.output
    ((command, _, _),) = docker
    assert "BASE_IMAGE=python-base:3.11" in command
    assert [command[place + 1] for place, word in enumerate(command) if word == "--tag"] == [
        "produce:1-newest",
        "produce:latest",
    ]


def test_certificates_go_along_and_an_index_with_a_password_is_on_no_command_line(
    serving_image, store, docker, tmp_path
):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("a certificate")
    environment = {"SSL_CERT_FILE": str(bundle), "PIP_INDEX_URL": "https://user:secret@index.example.com/simple"}
    bento = serving_image.find_bento(store, "produce")
    serving_image.build_image(bento, base_image="python:3.11-slim", environment=environment)
    ((command, files, seen),) = docker
    assert files["certificates.pem"] == "a certificate"
    assert not [word for word in command if "secret" in word]
    assert command[command.index("PIP_INDEX_URL") - 1] == "--build-arg"
    assert seen["PIP_INDEX_URL"] == environment["PIP_INDEX_URL"]


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (FileNotFoundError("docker"), "docker was not found"),
        (subprocess.CompletedProcess([], 1), "could not build produce:1-newest"),
    ],
)
def test_what_docker_cannot_do_is_one_sentence(serving_image, store, monkeypatch, outcome, sentence):
    def run(*_arguments, **_options):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setenv("BENTOML_HOME", str(store))
    result = CliRunner().invoke(serving_image.main, ["produce"])
    assert result.exit_code == 1
    assert sentence in result.output
