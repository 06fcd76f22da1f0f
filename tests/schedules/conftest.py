import json
import os
import sys

import pytest

from quality_gate.home import Home
from quality_gate.schedules.schedule import Schedule

# Stands in for zenml: notes how it was called, says what it is told to, and ends as it is told to.
ZENML = """#!{python}
import json, os, sys, time
from pathlib import Path
told = json.loads(Path({told!r}).read_text())
with Path({calls!r}).open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]) + "\\n")
time.sleep(told["seconds"])
print(told["says"])
sys.exit(told["exit_code"])
"""

# Stands in for a console script that has the programs beside it that the test has put there.
QUALITY_GATE = """#!/bin/sh
export PYTHONPATH={path}
exec {python} -c 'import sys; sys.executable = "{folder}/python"; from quality_gate.cli import main; main()' "$@"
"""


class Zenml:
    """What runs are told to do, and what they were asked."""

    def __init__(self, folder):
        self._told, self._calls = folder / "told.json", folder / "calls.jsonl"
        script = ZENML.format(python=sys.executable, told=str(self._told), calls=str(self._calls))
        (folder / "zenml").write_text(script)
        (folder / "zenml").chmod(0o755)
        self.will("all done")

    def will(self, says, *, exit_code=0, seconds=0):
        self._told.write_text(json.dumps({"says": says, "exit_code": exit_code, "seconds": seconds}))

    @property
    def calls(self):
        return [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []


@pytest.fixture
def home(tmp_path, monkeypatch):
    # As awkward as a path may be.
    root = tmp_path / "my gate 100%$x"
    monkeypatch.setenv("QUALITY_GATE_HOME", str(root))
    return Home(root)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The folder of programs that schedules call, and the first that programs are looked for in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    script = QUALITY_GATE.format(path=os.pathsep.join(sys.path), python=python, folder=folder)
    (folder / "quality-gate").write_text(script)
    (folder / "quality-gate").chmod(0o755)
    return folder


@pytest.fixture
def zenml(programs, monkeypatch):
    real = sys.executable
    monkeypatch.setattr(sys, "executable", sys._base_executable)
    made = Zenml(programs)
    monkeypatch.setattr(sys, "executable", real)
    return made


@pytest.fixture
def schedule(tmp_path):
    """A nightly batch, installed on the first of March."""
    return Schedule(
        "nightly", "batch_prediction", "daily at 02:00", None, str(tmp_path), None, "cron", "2026-03-01T12:00:00"
    )
