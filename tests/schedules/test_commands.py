import json
import re
import shutil
import subprocess

import pytest
from click.testing import CliRunner

from quality_gate.cli import main
from quality_gate.schedules import commands
from quality_gate.schedules.schedule import LastRun, ScheduleStore

CRONTAB = """#!/bin/sh
tab=$(dirname "$0")/tab
case "$1" in
  -l) [ -f "$tab" ] && cat "$tab" || { echo "no crontab for $USER" >&2; exit 1; };;
  -r) rm "$tab";;
  -) cat > "$tab";;
esac
"""


@pytest.fixture
def call(home, programs, monkeypatch):
    """Calls the command line on a machine that has a crontab and no systemd."""
    (programs / "crontab").write_text(CRONTAB)
    (programs / "crontab").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin")
    monkeypatch.setattr(commands, "entry_points", lambda group: [])

    def run(*arguments):
        result = CliRunner().invoke(main, ["schedule", *arguments])
        assert isinstance(result.exception, SystemExit | None)
        return result

    return run


def test_a_schedule_is_installed_listed_run_and_removed(call, zenml, home, programs):
    made = call("install", "batch_prediction", "--with", "cron", "--every", "Daily at 2:30")
    assert made.output.startswith("batch_prediction runs daily at 02:30, by cron; next on 20")
    assert call("list").output.endswith("; has not run yet\n")
    assert call("run", "batch_prediction").exit_code == 0
    assert re.search(r"done in \d+ s\n$", call("list").output)
    assert call("remove", "batch_prediction").output == "The schedule batch_prediction is gone.\n"
    assert call("list").output == "There is no schedule; make one with: quality-gate schedule install\n"
    assert not (programs / "tab").exists()


def test_a_failed_run_exits_as_the_pipeline_did_and_stands_in_the_list(call, zenml):
    call("install", "batch_prediction", "--with", "cron")
    zenml.will("Error: the inbox is away", exit_code=4)
    failed = call("run", "batch_prediction")
    assert failed.exit_code == 4
    assert "failed with exit code 4" in failed.stderr
    assert "FAILED with exit code 4: Error: the inbox is away" in call("list").output


@pytest.mark.parametrize(
    ("pipeline", "text", "sentence"),
    [
        ("training", "parameters:\n  gate: {min_macro_f2: 0.9}\n", "my.yaml: gate.min_macro_f2 is no setting; "),
        ("retraining", "parameters:\n  retraining: {hard_negative_copies: 0}\n", "hard_negative_copies is 0: "),
        ("drift", "parameters:\n  window: 3\n", "my.yaml: window is no setting; "),
        ("batch_prediction", "parameters:\n  gate: {}\n", "my.yaml: gate is no setting; "),
        ("batch_prediction", "paramters: {}\n", "my.yaml: paramters is no key at the top of a run configuration"),
        ("batch_prediction", "parameters: {\n", "my.yaml is no YAML ("),
    ],
)
def test_a_configuration_is_looked_at_when_its_schedule_is_installed(call, home, tmp_path, pipeline, text, sentence):
    (tmp_path / "my.yaml").write_text(text)
    said = call("install", pipeline, "--every", "daily", "--with", "cron", "--config", tmp_path / "my.yaml")
    assert (said.exit_code, said.output.count("\n")) == (1, 1)
    assert sentence in said.output
    assert ScheduleStore(home.schedules).names() == []


def test_a_configuration_that_the_pipeline_can_run_with_is_taken(call, home, tmp_path):
    (tmp_path / "my.yaml").write_text("parameters:\n  name: belt\n")
    assert call("install", "drift", "--with", "cron", "--config", tmp_path / "my.yaml").exit_code == 0
    assert ScheduleStore(home.schedules).load("drift").config == str(tmp_path / "my.yaml")


def test_programs_get_a_list_in_json(call, home):
    call("install", "batch_prediction", "--with", "cron")
    ScheduleStore(home.schedules).save_last_run("batch_prediction", LastRun("2026-03-01T02:00:00"))
    (row,) = json.loads(call("list", "--json").output)
    assert (row["name"], row["backend"], row["every"]) == ("batch_prediction", "cron", "daily at 02:00")
    assert row["last_run"]["started"] == "2026-03-01T02:00:00"
    assert row["next_due"]


def test_a_run_that_was_interrupted_and_a_line_that_is_gone_are_seen(call, home, programs):
    call("install", "batch_prediction", "--with", "cron")
    ScheduleStore(home.schedules).save_last_run("batch_prediction", LastRun("2026-03-01T02:00:00"))
    (programs / "tab").unlink()
    said = call("list").output
    assert "not in cron any more; last on 2026-03-01 02:00, running or interrupted" in said


def test_alerts_of_other_packages_are_told_of_a_failed_run(call, zenml, monkeypatch):
    told = []

    class Found:
        def load(self):
            return told.append

    monkeypatch.setattr(commands, "entry_points", lambda group: [Found()])
    call("install", "batch_prediction", "--with", "cron")
    call("run", "batch_prediction")
    assert told == []
    zenml.will("Error: no", exit_code=1)
    call("run", "batch_prediction")
    assert len(told) == 1
    assert "The schedule batch_prediction failed" in told[0]


def test_mistakes_are_one_sentence(call):
    assert call("run", "nightly").stderr.startswith("Error: There is no schedule 'nightly'; there is none.")
    assert "Error: --every: 'often' is no time" in call("install", "training", "--every", "often").stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
def test_prometheus_reads_the_metrics(call, zenml, tmp_path):
    call("install", "batch_prediction", "--with", "cron", "--metrics", str(tmp_path))
    call("run", "batch_prediction")
    text = (tmp_path / "quality_gate_schedule_batch_prediction.prom").read_text()
    checked = subprocess.run([shutil.which("promtool"), "check", "metrics"], input=text, text=True, check=False)
    assert checked.returncode == 0
