"""Schedules as timers of the user's systemd: ``~/.config/systemd/user/quality-gate-NAME.timer`` and ``.service``."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from quality_gate.errors import UserError
from quality_gate.schedules.schedule import Schedule

SUFFIXES = (".timer", ".service")


def is_available() -> bool:
    """Whether the user has a systemd that runs."""
    return shutil.which("systemctl") is not None and _systemctl("show-environment").returncode == 0


def unit_folder() -> Path:
    """Where the user's units are."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def install(schedule: Schedule, command: Sequence[str], home: Path) -> None:
    """Write both units and start the timer; the same ones again change nothing.

    Args:
        schedule: what runs when.
        command: that runs it, program first.
        home: of all state.

    Raises:
        UserError: another home has a schedule of that name, or systemd does not take it.
    """
    texts = (timer_text(schedule), service_text(schedule, command, home))
    units = _units(schedule.name)
    before = tuple(_text(unit) for unit in units)
    if before[1] is not None and _home_line(home) not in before[1].splitlines():
        raise UserError(f"{units[1]} belongs to another project; give this schedule another name with --as.")
    for unit, text in zip(units, texts, strict=True):
        unit.parent.mkdir(parents=True, exist_ok=True)
        unit.write_text(text, encoding="utf-8")
    _checked("daemon-reload")
    _checked("enable", units[0].name)
    # Restarted only where something has changed: it would forget when it elapses next.
    _checked("start" if before == texts else "restart", units[0].name)


def remove(name: str) -> None:
    """Stop the timer and delete its units and its stamp."""
    units = _units(name)
    if not any(unit.exists() for unit in units):
        return
    _systemctl("disable", "--now", units[0].name)
    # The time of the last run, which systemd keeps for Persistent=.
    _systemctl("clean", "--what=state", units[0].name)
    for unit in units:
        unit.unlink(missing_ok=True)
    _systemctl("daemon-reload")
    # A failed run would be listed although its unit is gone.
    _systemctl("reset-failed", units[1].name)


def is_installed(name: str) -> bool:
    """Whether both units are there."""
    return all(unit.exists() for unit in _units(name))


def lingers() -> bool:
    """Whether the user's timers run while the user is not logged in; True where that cannot be told."""
    loginctl = shutil.which("loginctl")
    if loginctl is None:
        return True
    said = subprocess.run(  # noqa: S603
        [loginctl, "show-user", getpass.getuser(), "--property=Linger"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip() != "Linger=no"


def timer_text(schedule: Schedule) -> str:
    """The timer; ``Persistent=`` catches up on runs that were missed while the machine was off, once."""
    return f"""[Unit]
Description=Visual Quality Gate: {_escaped(schedule.pipeline)}, {schedule.every}

[Timer]
OnCalendar={schedule.calendar.on_calendar}
Persistent=true

[Install]
WantedBy=timers.target
"""


def service_text(schedule: Schedule, command: Sequence[str], home: Path) -> str:
    """The service; what is secret is in no unit, for those are readable to others."""
    return f"""[Unit]
Description=Visual Quality Gate: {_escaped(schedule.pipeline)}

[Service]
Type=oneshot
{_home_line(home)}
ExecStart={" ".join(_quoted(part).replace("$", "$$") for part in command)}
"""


def _home_line(home: Path) -> str:
    return f"Environment={_quoted(f'QUALITY_GATE_HOME={home}')}"


def _quoted(text: str) -> str:
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _units(name: str) -> tuple[Path, ...]:
    return tuple(unit_folder() / f"quality-gate-{name}{suffix}" for suffix in SUFFIXES)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemctl") or "systemctl"
    return subprocess.run([program, "--user", *arguments], capture_output=True, text=True, check=False)  # noqa: S603


def _checked(*arguments: str) -> None:
    said = _systemctl(*arguments)
    if said.returncode:
        raise UserError(f"systemctl --user {' '.join(arguments)} failed: {said.stderr.strip()}")
