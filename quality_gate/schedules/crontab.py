"""Schedules as lines of the user's crontab, where there is no systemd.

cron forgets what it missed while the machine was off. A schedule is therefore started every hour, at the minute it is
due, and when the machine starts, and looks itself whether it is due: that is so at its own time, and at the first
chance after a time that was missed. Starting in vain takes a quarter of a second.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from quality_gate.errors import UserError
from quality_gate.schedules.schedule import Schedule


def is_available() -> bool:
    """Whether there is a crontab."""
    return shutil.which("crontab") is not None


def install(schedule: Schedule, command: Sequence[str], home: Path) -> None:
    """Add the lines of a schedule, in place of former ones; all other lines stay as they are.

    Args:
        schedule: what runs when.
        command: that runs it, program first.
        home: of all state.

    Raises:
        UserError: the crontab can be neither read nor written.
    """
    before = _read()
    after = [*_without(before, schedule.name, home), *lines(schedule, command, home)]
    if after != before:
        _write(after)


def remove(name: str, home: Path) -> None:
    """Delete the lines of a schedule.

    Raises:
        UserError: the crontab can be neither read nor written.
    """
    before = _read()
    after = _without(before, name, home)
    if after != before:
        _write(after)


def is_installed(name: str, home: Path) -> bool:
    """Whether the crontab has the lines.

    Raises:
        UserError: the crontab cannot be read.
    """
    return _marker(name, home) in _read()


def lines(schedule: Schedule, command: Sequence[str], home: Path) -> list[str]:
    """The lines of a schedule: a mark, every hour, and when the machine starts."""
    call = " ".join(map(shlex.quote, (f"QUALITY_GATE_HOME={home}", *command, "--if-due")))
    # The shell takes a quoted assignment for the name of a program; env does not. cron ends a line at a bare %.
    call = f"env {call}".replace("%", r"\%")
    return [_marker(schedule.name, home), f"{schedule.calendar.minute} * * * * {call}", f"@reboot {call}"]


def _marker(name: str, home: Path) -> str:
    return f"# quality-gate schedule {name} of {home}"


def _without(crontab: list[str], name: str, home: Path) -> list[str]:
    marker, left = _marker(name, home), list(crontab)
    while marker in left:
        start = left.index(marker)
        end = start + 1
        # Only lines that are still the schedule's own: people edit crontabs.
        while end < min(start + 3, len(left)) and left[end].endswith("--if-due"):
            end += 1
        del left[start:end]
    return left


def _read() -> list[str]:
    said = _crontab("-l")
    if said.returncode and "no crontab" not in said.stderr:
        raise UserError(f"crontab -l failed: {said.stderr.strip()}")
    return said.stdout.splitlines() if not said.returncode else []


def _write(crontab: list[str]) -> None:
    said = _crontab("-", text="".join(f"{line}\n" for line in crontab)) if crontab else _crontab("-r")
    if said.returncode:
        raise UserError(f"The crontab could not be written: {said.stderr.strip()}")


def _crontab(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    program = shutil.which("crontab") or "crontab"
    return subprocess.run(  # noqa: S603
        [program, *arguments], input=text, capture_output=True, text=True, check=False
    )
