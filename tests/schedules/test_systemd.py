import shutil
import subprocess
from dataclasses import replace

import pytest

from quality_gate.errors import UserError
from quality_gate.schedules import systemd

# Notes how it was called; fails at the words in the file beside it.
SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/calls"
if [ -f "$here/fails" ] && grep -q -x -e "$*" "$here/fails"; then echo "Failed to connect to bus" >&2; exit 1; fi
"""


@pytest.fixture
def timer(schedule):
    return replace(schedule, backend="systemd")


@pytest.fixture
def systemctl(programs, monkeypatch, tmp_path):
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return programs


@pytest.fixture
def command(programs):
    return [str(programs / "quality-gate"), "schedule", "run", "nightly"]


def calls(folder):
    path = folder / "calls"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def units(tmp_path):
    return sorted(path.name for path in (tmp_path / "config" / "systemd" / "user").glob("*"))


def test_a_schedule_becomes_a_timer_and_a_service_that_are_started(timer, command, home, systemctl, tmp_path):
    systemd.install(timer, command, home.root)
    assert units(tmp_path) == ["quality-gate-nightly.service", "quality-gate-nightly.timer"]
    assert calls(systemctl) == [
        "--user daemon-reload",
        "--user enable quality-gate-nightly.timer",
        "--user restart quality-gate-nightly.timer",
    ]
    assert systemd.is_installed("nightly")


def test_the_same_again_restarts_nothing(timer, command, home, systemctl):
    systemd.install(timer, command, home.root)
    calls(systemctl)
    systemd.install(timer, command, home.root)
    assert "--user start quality-gate-nightly.timer" in calls(systemctl)
    systemd.install(replace(timer, every="daily at 05:00"), command, home.root)
    assert "--user restart quality-gate-nightly.timer" in calls(systemctl)


def test_missed_runs_are_caught_up_by_systemd(timer):
    assert "OnCalendar=*-*-* 02:00:00\nPersistent=true\n" in systemd.timer_text(timer)


def test_after_removal_no_unit_is_left_nor_its_time_of_the_last_run(timer, command, home, systemctl, tmp_path):
    systemd.install(timer, command, home.root)
    calls(systemctl)
    systemd.remove("nightly")
    assert units(tmp_path) == []
    assert calls(systemctl) == [
        "--user disable --now quality-gate-nightly.timer",
        "--user clean --what=state quality-gate-nightly.timer",
        "--user daemon-reload",
        "--user reset-failed quality-gate-nightly.service",
    ]
    assert not systemd.is_installed("nightly")
    systemd.remove("nightly")
    assert calls(systemctl) == []


def test_the_timer_of_another_project_is_left_alone(timer, command, home, systemctl, tmp_path):
    systemd.install(timer, command, tmp_path / "another home")
    with pytest.raises(UserError, match="belongs to another project; give this schedule another name with --as"):
        systemd.install(timer, command, home.root)


def test_what_systemd_does_not_take_is_told(timer, command, home, systemctl):
    (systemctl / "fails").write_text("--user enable quality-gate-nightly.timer\n")
    with pytest.raises(UserError, match=r"enable quality-gate-nightly\.timer failed: Failed to connect to bus"):
        systemd.install(timer, command, home.root)


def test_without_a_running_systemd_of_the_user_there_is_none(systemctl, monkeypatch):
    assert systemd.is_available()
    (systemctl / "fails").write_text("--user show-environment\n")
    assert not systemd.is_available()
    monkeypatch.setenv("PATH", "/nowhere")
    assert not systemd.is_available()


@pytest.mark.parametrize(("said", "lingers"), [("Linger=no", False), ("Linger=yes", True)])
def test_whether_timers_go_on_after_logging_out_is_asked(programs, monkeypatch, said, lingers):
    (programs / "loginctl").write_text(f"#!/bin/sh\necho {said}\n")
    (programs / "loginctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert systemd.lingers() is lingers


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault_with_the_units_and_reads_the_path_as_it_is(timer, command, home, systemctl, tmp_path):
    systemd.install(timer, command, home.root)
    folder = tmp_path / "config" / "systemd" / "user"
    verify = ["systemd-analyze", "verify", "--user", "--man=no", str(folder / "quality-gate-nightly.timer")]
    said = subprocess.run(verify, capture_output=True, text=True, check=False, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert said.returncode == 0, said.stderr
    assert "quality-gate-nightly" not in said.stderr
    service = (folder / "quality-gate-nightly.service").read_text()
    assert f'Environment="QUALITY_GATE_HOME={tmp_path}/my gate 100%%$x"\n' in service


def test_no_unit_holds_a_secret(timer, command, home, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://user:hidden@host/db")
    assert "hidden" not in systemd.service_text(timer, command, home.root) + systemd.timer_text(timer)
