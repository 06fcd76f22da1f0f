"""What runs when, and what came of it: one folder a schedule, in the home of all state."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from quality_gate.errors import UserError
from quality_gate.schedules.calendar import Calendar

# Each with the times that suit it; training is started by people.
DEFAULT_TIMES: Mapping[str, str | None] = {
    "batch_prediction": "daily at 02:00",
    "drift": "daily at 04:00",
    "retraining": "monthly on 1 at 03:00",
    "training": None,
}
SCHEDULE_FILE = "schedule.json"
LAST_RUN_FILE = "last_run.json"
OUTPUT_FILE = "output.log"

Backend = Literal["systemd", "cron", "cluster"]
R = TypeVar("R")


@dataclass(frozen=True)
class Schedule:
    """A pipeline that runs by itself.

    Attributes:
        name: of the schedule: lower-case letters, digits, ``_`` and ``-``.
        pipeline: name of the pipeline.
        every: times of the calendar.
        config: run configuration, an absolute path; None for the defaults.
        folder: where it is called from, for relative paths in the configuration.
        metrics_folder: where a metric of each run is written for Prometheus' node_exporter; None for nowhere.
        backend: what starts it.
        since: local time from which on it is due, in ISO format.
    """

    name: str
    pipeline: str
    every: str
    config: str | None
    folder: str
    metrics_folder: str | None
    backend: Backend
    since: str

    @property
    def calendar(self) -> Calendar:
        """When it is due."""
        return Calendar.parse(self.every)


@dataclass(frozen=True)
class LastRun:
    """What came of the last run.

    Attributes:
        started: local time, in ISO format.
        ended: likewise; None while it runs, and where it was interrupted.
        exit_code: of the pipeline; None likewise.
        error: what it said last where it failed.
    """

    started: str
    ended: str | None = None
    exit_code: int | None = None
    error: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None where it has not ended."""
        if self.ended is None:
            return None
        return (datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.started)).total_seconds()


class ScheduleStore:
    """The schedules of one home.

    Args:
        folder: where they are kept; need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """The schedules there are."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{SCHEDULE_FILE}"))

    def at(self, name: str) -> Path:
        """The folder of a schedule."""
        return self.folder / name

    def load(self, name: str) -> Schedule:
        """A schedule.

        Raises:
            UserError: there is none of that name, or its file cannot be read.
        """
        found = _read(self.at(name) / SCHEDULE_FILE, Schedule)
        if found is None:
            known = f"there are {', '.join(self.names())}" if self.names() else "there is none"
            raise UserError(f"There is no schedule {name!r}; {known}. Make one with: quality-gate schedule install")
        return found

    def save(self, schedule: Schedule) -> None:
        """Keep a schedule, in place of a former one of that name."""
        _write(self.at(schedule.name) / SCHEDULE_FILE, asdict(schedule))

    def last_run(self, name: str) -> LastRun | None:
        """What came of the last run; None before the first.

        Raises:
            UserError: the file cannot be read.
        """
        return _read(self.at(name) / LAST_RUN_FILE, LastRun)

    def save_last_run(self, name: str, run: LastRun) -> None:
        """Keep what came of a run."""
        _write(self.at(name) / LAST_RUN_FILE, asdict(run))

    def remove(self, name: str) -> None:
        """Forget a schedule and its runs."""
        shutil.rmtree(self.at(name), ignore_errors=True)

    def is_due(self, schedule: Schedule, now: datetime) -> bool:
        """Whether it should have run since it last did; however often it was missed, that is one run.

        Args:
            schedule: that is asked about.
            now: local time.
        """
        last = self.last_run(schedule.name)
        since = max(schedule.since, last.started if last else "")
        return datetime.fromisoformat(since) < schedule.calendar.last_due(now)


def check_name(name: str) -> None:
    """Make sure that a name may stand in names of files and units.

    Raises:
        UserError: it may not.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        raise UserError(f"--as is {name!r}; expected lower-case letters, digits, '_' and '-', at most 63.")


def _write(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=2), encoding="utf-8")
    # Whole or not at all: a timer may read it at any moment.
    partial.replace(path)


def _read(path: Path, kind: type[R]) -> R | None:
    try:
        return kind(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise UserError(f"{path} cannot be read; delete it, and install the schedule again.") from None
