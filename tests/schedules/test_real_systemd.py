"""A schedule under a systemd of the user that really runs, away from the machine's own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path("/usr/lib/systemd/systemd")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SYSTEMD.exists() or shutil.which("unshare") is None or os.geteuid() != 0,
        reason="systemd is not installed, or tests are not root's",
    ),
]

# Its own processes and its own /run: sd_booted(3) wants to find /run/systemd/system.
SCRIPT = """
mount --bind "$1/run" /run && mkdir -p /run/systemd/system
up() {
  %(systemd)s --user --log-target=null & manager=$!
  for try in $(seq 50); do systemctl --user show-environment > /dev/null 2>&1 && break; sleep 0.2; done
}
down() { systemctl --user exit > /dev/null 2>&1; wait $manager; }
runs() { [ -f "$1/bin/calls.jsonl" ] && wc -l < "$1/bin/calls.jsonl" || echo 0; }

up
"$1/bin/quality-gate" schedule install batch_prediction --every "hourly at :$(date -d '+1 minute' +%%M)" > /dev/null
echo "before: $(runs "$1")"
for try in $(seq 75); do [ "$(runs "$1")" = 1 ] && break; sleep 1; done
sleep 2
echo "at its time: $(runs "$1")"
down
touch -d '3 hours ago' "$HOME/.local/share/systemd/timers/stamp-quality-gate-batch_prediction.timer"
up
sleep 6
echo "after three hours without the machine: $(runs "$1")"
down
up
sleep 3
echo "after a moment without it: $(runs "$1")"
"$1/bin/quality-gate" schedule list
"$1/bin/quality-gate" schedule remove batch_prediction
systemctl --user list-unit-files 'quality-gate*' --no-pager --no-legend
find "$HOME" -name '*quality-gate*'
down
"""


def test_a_timer_runs_at_its_time_catches_up_once_and_leaves_no_trace(home, zenml, tmp_path):
    for folder in ("run", "xdg", "user"):
        (tmp_path / folder).mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "xdg"), "HOME": str(tmp_path / "user")}
    environment.pop("XDG_CONFIG_HOME", None)
    shell = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "bash", "-c", SCRIPT % {"systemd": SYSTEMD}]
    said = subprocess.run(
        [*shell, "bash", str(tmp_path)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180
    )
    lines = said.stdout.splitlines()
    assert lines[:4] == [
        "before: 0",
        "at its time: 1",
        "after three hours without the machine: 2",
        "after a moment without it: 2",
    ], said.stderr
    assert re.search(r"done in \d+ s$", lines[4])
    assert lines[5:] == ["The schedule batch_prediction is gone."]
    assert list(home.schedules.iterdir()) == []
