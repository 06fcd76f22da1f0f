import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from bentos import package
from bentos.package import SOURCES, build_bento
from quality_gate.errors import UserError

MODEL_FILES = ("model.json", "model.onnx")

# Answers one photo with the staged code, though the installed one is loaded already, and says what was imported.
PROBE = """
import asyncio, io, json, sys
from pathlib import Path
import quality_gate.inference
assert not Path(quality_gate.inference.__file__).is_relative_to(Path.cwd())
sys.path.insert(0, str(Path.cwd()))
from PIL import Image
from bentos.entry import QualityGateService
photo = io.BytesIO()
Image.new("RGB", (40, 30), (250, 0, 0)).save(photo, format="PNG")
sent = []
async def ask(path, kind, body):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "method": "POST", "path": path}
    scope |= {"headers": [(b"content-type", kind), (b"host", b"127.0.0.1:3000")]}
    await service.application(scope | {"client": ("127.0.0.1", 1)}, receive, send, None)
service = QualityGateService()
asyncio.run(ask("/predict", b"image/png", photo.getvalue()))
asyncio.run(ask("/review/next", b"application/json", b'{"desk": "b1c5a5a4-0a51-4f0e-9a3e-2f7f6a1f3a10"}'))
assert "waiting" in json.loads(sent[3]["body"]), sent[3]["body"]
# The answer goes into the database now.
service.close()
answer = json.loads(sent[1]["body"])
modules = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
print(json.dumps({"label": answer["label"], "modules": modules}))
"""


@pytest.fixture
def model(write_tiny_model, tmp_path):
    return write_tiny_model(tmp_path / "model")


@pytest.fixture(scope="module")
def probed(write_tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("staged")
    model = write_tiny_model(tmp_path_factory.mktemp("model"))
    package._stage(model, folder)
    result = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", PROBE],
        cwd=folder,
        env={**os.environ, "QUALITY_GATE_HOME": str(tmp_path_factory.mktemp("state"))},
        capture_output=True,
        text=True,
        check=True,
    )
    # The line before is the service's own log.
    return folder, json.loads(result.stdout.splitlines()[-1])


def bento_folder(built, tag):
    return built.home / "bentos" / tag.replace(":", "/")


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_bento_answers_with_its_own_code_and_carries_no_more_than_that(probed):
    folder, answer = probed

    ours = {name: file for name, file in answer["modules"].items() if name.split(".")[0] in ("bentos", "quality_gate")}

    used = {str(Path(file).relative_to(folder)) for file in ours.values()}
    # Alembic runs the scripts of the migrations without importing them as modules.
    code = {source for source in SOURCES if source.endswith(".py")}
    assert {source for source in code if "/migrations/" not in source} <= used <= code


@pytest.mark.parametrize("heavy", ["torch", "zenml", "mlflow", "pandas", "sklearn", "matplotlib", "scipy"])
def test_answering_never_imports_what_training_needs(probed, heavy):
    assert heavy not in probed[1]["modules"]


def test_the_store_holds_both_bentos_and_latest_is_the_one_built_last(built):
    versions = [tag.split(":")[1] for tag in built.tags]

    assert (built.home / "bentos" / "tomato-ripeness" / "latest").read_text() == versions[1]
    assert tree(built.home / "bentos")[0] == "tomato-ripeness"
    assert {path.name for path in (built.home / "bentos" / "tomato-ripeness").iterdir()} == {"latest", *versions}
    assert not list(built.home.glob(".building-*"))


def test_the_model_version_stands_first_in_the_bento_version(built):
    assert [tag.split(":")[1].split("-")[0] for tag in built.tags] == ["2", "1"]


def test_a_bento_holds_the_sources_and_the_model_without_its_weights(built):
    source = bento_folder(built, built.tags[1]) / "src"
    files = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"}

    carried = (*MODEL_FILES, "golden.json")
    # Of the weights only the last layer, for explanations.
    model = {f"bentos/model/{file}" for file in (*carried, "head.npz")}
    assert files == {"bentofile.yaml", *SOURCES, *model}
    for file in carried:
        assert (source / "bentos" / "model" / file).read_bytes() == (built.model / file).read_bytes()


def test_a_bento_says_which_model_it_is(built):
    description = yaml.safe_load((bento_folder(built, built.tags[1]) / "bento.yaml").read_text())

    assert description["labels"] == {"gate": "tomato-ripeness", "model_version": "1", "data_digest": "d" * 64}


def test_the_image_installs_the_versions_it_was_built_with(built):
    requirements = (bento_folder(built, built.tags[1]) / "env" / "python" / "requirements.txt").read_text().split()

    assert sorted(requirements) == sorted(
        f"{name}=={version(name)}"
        for name in (
            "bentoml",
            "alembic",
            "click",
            "httptools",
            "numpy",
            "onnxruntime",
            "pillow",
            "psycopg",
            "psycopg-binary",
            "pydantic",
            "sqlalchemy",
            "uvloop",
        )
    )


def test_a_container_listens_on_all_addresses(built):
    dockerfile = (bento_folder(built, built.tags[1]) / "env" / "docker" / "Dockerfile").read_text()

    assert "ARG BENTOML_HOST=0.0.0.0" in dockerfile


@pytest.mark.parametrize("file", MODEL_FILES)
def test_a_folder_that_is_no_model_is_told_and_builds_nothing(model, tmp_path, monkeypatch, file):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    (model / file).unlink()

    with pytest.raises(UserError, match=file):
        build_bento(model, name="visual_quality_gate")
    assert not (tmp_path / "home").exists()


def test_a_model_that_answers_otherwise_than_it_did_is_told_and_the_one_before_stays(
    model, add_golden, tmp_path, monkeypatch
):
    former = tmp_path / "home" / "bentos" / "gate" / "1-former"
    former.mkdir(parents=True)
    (former.parent / "latest").write_text("1-former")
    before = tree(tmp_path / "home")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    manifest = json.loads((add_golden(model) / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**manifest, "classes": manifest["classes"][::-1]}))

    with pytest.raises(UserError, match="the golden photo of onion is answered tomato with"):
        build_bento(model, name="gate")
    assert tree(tmp_path / "home") == before
    assert (former.parent / "latest").read_text() == "1-former"


@pytest.mark.parametrize("name", ["quality_gate", "bentos", "json"])
def test_a_name_that_would_be_imported_instead_of_served_is_told(model, name):
    with pytest.raises(UserError, match="choose another name"):
        build_bento(model, name=name)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interrupted_build_leaves_the_store_as_it_was(model, tmp_path, monkeypatch, interruption):
    home = tmp_path / "home"
    former = home / "bentos" / "gate" / "1-former"
    former.mkdir(parents=True)
    (former.parent / "latest").write_text("1-former")
    monkeypatch.setenv("BENTOML_HOME", str(home))
    before = tree(home)

    def interrupted(*_arguments, **options):
        half = Path(options["env"]["BENTOML_HOME"]) / "bentos" / "gate" / "1-half"
        half.mkdir(parents=True)
        (half / "bento.yaml").write_text("name: gate")
        raise interruption

    monkeypatch.setattr(package.subprocess, "run", interrupted)

    with pytest.raises(interruption):
        build_bento(model, name="gate")
    assert tree(home) == before
    assert (former.parent / "latest").read_text() == "1-former"


def test_what_bentoml_says_of_a_failed_build_is_passed_on(model, tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="the disk is full")
    monkeypatch.setattr(package.subprocess, "run", lambda *_arguments, **_options: failed)

    with pytest.raises(RuntimeError, match="the disk is full"):
        build_bento(model, name="gate")


def test_without_a_bento_home_the_products_own_is_used(model, tmp_path, monkeypatch):
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path / "state"))
    used = []

    def build(sources, store, bento_version):
        used.append(store)
        (store / "bentos" / "gate" / bento_version).mkdir(parents=True)

    monkeypatch.setattr(package, "_run_build", build)
    tag = build_bento(model, name="gate")

    assert used[0].is_relative_to(tmp_path / "state" / "bentos")
    assert (tmp_path / "state" / "bentos" / "bentos" / tag.replace(":", "/")).is_dir()
