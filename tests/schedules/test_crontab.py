import os
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from quality_gate.errors import UserError
from quality_gate.schedules import crontab
from quality_gate.schedules.schedule import ScheduleStore

# Keeps the crontab in a file, and says what Debian's says.
CRONTAB = """#!/bin/sh
tab=$(dirname "$0")/tab
case "$1" in
  -l) [ -f "$tab" ] && cat "$tab" || { echo "no crontab for $USER" >&2; exit 1; };;
  -r) rm "$tab";;
  -) cat > "$tab";;
esac
"""
CRON = shutil.which("cron", path=f"{os.environ['PATH']}:/usr/sbin")
REAL_CRONTAB = shutil.which("crontab")


@pytest.fixture
def tab(programs, monkeypatch):
    """The file with the crontab."""
    (programs / "crontab").write_text(CRONTAB)
    (programs / "crontab").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return programs / "tab"


@pytest.fixture
def command(programs):
    return [str(programs / "quality-gate"), "schedule", "run", "nightly"]


def test_a_schedule_becomes_a_mark_and_two_lines(schedule, home, command, tab):
    crontab.install(schedule, command, home.root)
    mark, hourly, boot = tab.read_text().splitlines()
    assert mark == f"# quality-gate schedule nightly of {home.root}"
    assert hourly.startswith("0 * * * * env ")
    assert boot.startswith("@reboot env ")
    assert hourly.endswith(" schedule run nightly --if-due")
    assert crontab.is_installed("nightly", home.root)


def test_every_hour_at_the_minute_it_is_due(schedule, home, command):
    lines = crontab.lines(replace(schedule, every="weekly on sunday at 02:37"), command, home.root)
    assert lines[1].startswith("37 * * * * ")


def test_the_shell_reads_the_path_as_it_is(schedule, home, command):
    line = crontab.lines(schedule, ["/bin/sh", "-c", 'echo "$QUALITY_GATE_HOME"'], home.root)[1]
    shell = line.removeprefix("0 * * * * ").replace(r"\%", "%")  # as cron does
    assert subprocess.run(["sh", "-c", shell], capture_output=True, text=True).stdout.strip() == str(home.root)
    assert "%" not in line.replace(r"\%", "")


def test_other_lines_stay_as_they_are(schedule, home, command, tab):
    theirs = "# mine\nMAILTO=me\n5 4 * * * true # with % and --if-due\n"
    tab.write_text(theirs)
    crontab.install(schedule, command, home.root)
    assert tab.read_text().startswith(theirs)
    crontab.remove("nightly", home.root)
    assert tab.read_text() == theirs


def test_the_same_again_changes_nothing_and_another_time_takes_its_place(schedule, home, command, tab):
    crontab.install(schedule, command, home.root)
    once = tab.read_text()
    crontab.install(schedule, command, home.root)
    assert tab.read_text() == once
    crontab.install(replace(schedule, every="daily at 02:10"), command, home.root)
    assert [line[:2] for line in tab.read_text().splitlines()] == ["# ", "10", "@r"]


def test_schedules_of_other_homes_and_names_are_left_alone(schedule, home, command, tab, tmp_path):
    crontab.install(schedule, command, tmp_path)
    crontab.install(replace(schedule, name="weekly"), command, home.root)
    others = tab.read_text()
    crontab.install(schedule, command, home.root)
    crontab.remove("nightly", home.root)
    assert tab.read_text() == others


def test_a_line_that_a_person_wrote_below_the_mark_is_kept(schedule, home, command, tab):
    crontab.install(schedule, command, home.root)
    mark, *_ = tab.read_text().splitlines()
    tab.write_text(f"{mark}\n1 1 * * * true\n")
    crontab.remove("nightly", home.root)
    assert tab.read_text() == "1 1 * * * true\n"


def test_a_crontab_that_held_nothing_else_is_gone_after_removal(schedule, home, command, tab):
    crontab.install(schedule, command, home.root)
    crontab.remove("nightly", home.root)
    assert not tab.exists()
    crontab.remove("nightly", home.root)


def test_a_crontab_that_may_not_be_used_is_told(schedule, home, command, tab):
    (tab.parent / "crontab").write_text("#!/bin/sh\necho 'you are not allowed' >&2; exit 1\n")
    with pytest.raises(UserError, match="crontab -l failed: you are not allowed"):
        crontab.install(schedule, command, home.root)


def test_no_line_holds_a_secret(schedule, home, command, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://user:hidden@host/db")
    assert not any("hidden" in line for line in crontab.lines(schedule, command, home.root))


@pytest.mark.slow
@pytest.mark.skipif(
    CRON is None or REAL_CRONTAB is None or os.geteuid() != 0, reason="cron is not installed, or tests are not root's"
)
def test_a_real_cron_runs_what_is_due_and_catches_up_on_what_was_missed(schedule, home, command, zenml, tmp_path):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a view of the file system of its own is not allowed here")
    now = datetime.now()
    soon = now.replace(second=0, microsecond=0) + timedelta(minutes=1 if now.second < 50 else 2)
    store = ScheduleStore(home.schedules)
    missed = replace(schedule, name="missed", since=f"{now - timedelta(days=3):%Y-%m-%dT%H:%M:%S}")
    due = replace(schedule, name="due", every=f"hourly at :{soon.minute:02}", since=f"{now:%Y-%m-%dT%H:%M:%S}")
    later = replace(due, name="later", every=f"hourly at :{(soon.minute + 30) % 60:02}")
    lines = []
    for one in (missed, due, later):
        store.save(one)
        lines += crontab.lines(one, [*command[:-1], one.name], home.root)
    (tmp_path / "tab").write_text("".join(f"{line}\n" for line in lines))
    # Its own view of the file system: the machine's crontabs are never touched.
    (tmp_path / "spool" / "cron" / "crontabs").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    script = f"mount --bind $0/spool /var/spool && mount --bind $0/run /run && {REAL_CRONTAB} $0/tab && exec {CRON} -f"
    cron = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, str(tmp_path)])
    try:
        while datetime.now() < soon + timedelta(seconds=20) and not store.last_run("due"):
            assert cron.poll() is None
            time.sleep(0.5)
        time.sleep(5)
    finally:
        cron.terminate()
        cron.wait()
    runs = {name: store.last_run(name) for name in ("missed", "due", "later")}
    assert runs["missed"].exit_code == runs["due"].exit_code == 0
    assert runs["missed"].started < f"{soon:%Y-%m-%dT%H:%M:%S}" <= runs["due"].started
    assert runs["later"] is None
    assert len(zenml.calls) == 2
