"""The targets for those who do not know ZenML: what they call, and what they say of wrong input."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parent.parent / "Makefile"

# Keeps how it was called and with which configuration; knows one gate.
STUB = """#!{python}
import json, os, sys
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
file = words[words.index("--config") + 1] if "--config" in words else None
with open("calls", "a") as calls:
    calls.write(json.dumps([words, open(file).read() if file else ""]) + chr(10))
if words[:2] == ["quality-gate", "status"] and words[-1] != "refunds":
    sys.exit("Error: There is no gate " + words[-1])
"""


@pytest.fixture
def make(tmp_path):
    """Runs a target in a checkout whose commands are stubs: exit code, calls and what was said."""
    shutil.copyfile(MAKEFILE, tmp_path / "Makefile")
    programs, recipes = tmp_path / ".venv" / "bin", tmp_path / "pipelines" / "recipes"
    for folder in (programs, recipes, tmp_path / "my photos"):
        folder.mkdir(parents=True)
    for recipe in ("fruits", "refunds"):
        (recipes / f"{recipe}.yaml").write_text(f"parameters: {{name: {recipe}}}")
    for name in ("zenml", "quality-gate"):
        (programs / name).write_text(STUB.format(python=sys.executable))
        (programs / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "QUALITY_GATE_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"

    def run(*words):
        # What is installed is taken for up to date.
        command = ["make", "--old-file", f"{tmp_path}/.quality_gate/.ready", *words]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        calls = tmp_path / "calls"
        made = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
        return ended.returncode, made, ended.stderr

    return run


def parameters(call):
    return json.loads(call[1])["parameters"]


def test_a_recipe_is_trained_and_its_gate_shown(make):
    code, calls, _ = make("recipe", "NAME=refunds")
    assert code == 0
    assert [words for words, _ in calls] == [
        ["zenml", "pipeline", "run", "training", "--config", "pipelines/recipes/refunds.yaml"],
        ["quality-gate", "status", "--name", "refunds"],
    ]


def test_a_folder_is_answered(make):
    code, calls, _ = make("batch", "NAME=refunds", "SOURCE=my photos")
    assert code == 0
    assert calls[0][0][:4] == ["zenml", "pipeline", "run", "batch_prediction"]
    assert parameters(calls[0]) == {"name": "refunds", "source": "my photos"}


@pytest.mark.parametrize(("words", "source"), [([], "inbox"), (["SOURCE=my photos"], "my photos")])
def test_a_night_is_scheduled(make, words, source):
    code, calls, _ = make("nightly", "NAME=refunds", "EVERY=daily at 03:30", *words)
    assert code == 0
    scheduled = calls[-1][0]
    assert scheduled[:6] == ["quality-gate", "schedule", "install", "batch_prediction", "--every", "daily at 03:30"]
    assert scheduled[6:8] == ["--as", "refunds_nightly"]
    assert parameters(calls[-1]) == {"name": "refunds", "source": source}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["recipe"], "Error: there is no recipe 'visual_quality_gate'; name one with NAME=, of: fruits refunds."),
        (["recipe", "NAME=returns"], "Error: there is no recipe 'returns'; name one with NAME=, of: fruits refunds."),
        (["batch", "NAME=refunds"], "Error: SOURCE is missing; name a folder of photos, or inbox, with SOURCE=."),
        (["nightly", "NAME=returns"], "Error: There is no gate returns"),
        (["nightly", "NAME=refunds", "SOURCE=gone"], "Error: SOURCE: gone is no folder; name a folder of photos, or "),
    ],
)  # fmt: skip
def test_wrong_input_is_one_sentence_and_starts_nothing(make, words, sentence):
    code, calls, said = make(*words)
    assert code != 0
    assert said.startswith(sentence)
    assert not [call for call, _ in calls if "run" in call or "install" in call]


def test_every_target_is_listed_with_its_line(make, tmp_path):
    text = MAKEFILE.read_text()
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    targets = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", text, re.MULTILINE).group(1).replace("\\", " ").split()
    assert {line.split()[1] for line in listed.splitlines()} == set(targets)
