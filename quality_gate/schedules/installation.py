"""Put schedules where the machine starts them from, and take them away again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.schedules import cluster, crontab, systemd
from quality_gate.schedules.calendar import Calendar
from quality_gate.schedules.metric_file import metric_path
from quality_gate.schedules.schedule import DEFAULT_TIMES, Backend, LastRun, Schedule, ScheduleStore, check_name


@dataclass(frozen=True)
class Listed:
    """A schedule as it is listed.

    Attributes:
        schedule: what runs when.
        next_due: local time; None where nothing would start it.
        last_run: what came of the last run; None before the first.
    """

    schedule: Schedule
    next_due: datetime | None
    last_run: LastRun | None


def install(
    home: Home,
    pipeline: str,
    *,
    check: Callable[[str, Path], None],
    name: str | None = None,
    every: str | None = None,
    config: Path | None = None,
    metrics_folder: Path | None = None,
    backend: Backend | None = None,
) -> Schedule:
    """Have a pipeline run by itself; the same again changes nothing, and something else takes its place.

    Args:
        home: of all state.
        pipeline: name of the pipeline.
        check: is given a pipeline and a run configuration; raises UserError where the one cannot run with the other.
        name: of the schedule; None for that of the pipeline.
        every: times of the calendar; None for those that suit the pipeline.
        config: run configuration; None for the defaults.
        metrics_folder: where node_exporter looks for metrics; None for no metric.
        backend: what starts it; None for systemd where the user has it, cron elsewhere.

    Raises:
        UserError: something is missing or misspelt, or nothing on this machine starts schedules.
    """
    name = name or pipeline
    check_name(name)
    # One that was imported already stands there itself in place of its module, and a pipeline has no spec.
    if pipeline not in sys.modules and find_spec(pipeline) is None:
        raise UserError(f"There is no pipeline {pipeline!r}; expected one of {', '.join(DEFAULT_TIMES)}.")
    wanted = every or DEFAULT_TIMES.get(pipeline)
    if wanted is None:
        raise UserError(f"--every is missing: {pipeline} has no usual times; expected something like: daily at 02:30")
    try:
        calendar = Calendar.parse(wanted)
    except ValueError as error:
        raise UserError(f"--every: {error}.") from None
    for option, path, is_there in (("--config", config, Path.is_file), ("--metrics", metrics_folder, Path.is_dir)):
        if path is not None and not is_there(path):
            raise UserError(
                f"{option}: {path} is not there; expected a {'file' if option == '--config' else 'folder'}."
            )
    if config is not None:
        check(pipeline, config)
    schedule = Schedule(
        name=name,
        pipeline=pipeline,
        every=str(calendar),
        config=str(config.absolute()) if config else None,
        folder=str(Path.cwd()),
        metrics_folder=str(metrics_folder.absolute()) if metrics_folder else None,
        backend=backend or _backend(),
        since=datetime.now().isoformat(timespec="seconds"),
    )
    _install(home, schedule)
    return schedule


def remove(home: Home, name: str) -> None:
    """Take a schedule away without a trace.

    Raises:
        UserError: there is none of that name.
    """
    store = ScheduleStore(home.schedules)
    schedule = store.load(name)
    _remove_from_machine(home, schedule)
    if schedule.metrics_folder:
        metric_path(schedule).unlink(missing_ok=True)
    store.remove(name)


def listed(home: Home, now: datetime) -> list[Listed]:
    """All schedules.

    Args:
        home: of all state.
        now: local time.
    """
    store = ScheduleStore(home.schedules)
    return [
        Listed(
            schedule,
            schedule.calendar.next_due(now) if _is_installed(home, schedule) else None,
            store.last_run(schedule.name),
        )
        for schedule in map(store.load, store.names())
    ]


def _install(home: Home, schedule: Schedule) -> None:
    store = ScheduleStore(home.schedules)
    if schedule.name in store.names():
        former = store.load(schedule.name)
        if replace(former, since=schedule.since) == schedule:
            schedule = former
        if former.backend != schedule.backend:
            _remove_from_machine(home, former)
        if former.metrics_folder and former.metrics_folder != schedule.metrics_folder:
            metric_path(former).unlink(missing_ok=True)
    program = Path(sys.executable).with_name("quality-gate")
    command = [str(program), "schedule", "run", schedule.name]
    if any(not part.isprintable() for part in (*command, str(home.root))):
        raise UserError(f"{home.root} cannot stand in a schedule; move the project to a folder with a printable name.")
    if schedule.backend == "systemd":
        systemd.install(schedule, command, home.root)
    elif schedule.backend == "cluster":
        cluster.install(schedule)
    else:
        crontab.install(schedule, command, home.root)
    store.save(schedule)


def _remove_from_machine(home: Home, schedule: Schedule) -> None:
    if schedule.backend == "systemd":
        systemd.remove(schedule.name)
    elif schedule.backend == "cluster":
        cluster.remove(schedule.name)
    elif crontab.is_available():
        crontab.remove(schedule.name, home.root)


def _is_installed(home: Home, schedule: Schedule) -> bool:
    if schedule.backend == "systemd":
        return systemd.is_installed(schedule.name)
    if schedule.backend == "cluster":
        return cluster.is_installed(schedule.name)
    return crontab.is_available() and crontab.is_installed(schedule.name, home.root)


def _backend() -> Backend:
    if systemd.is_available():
        return "systemd"
    if crontab.is_available():
        return "cron"
    raise UserError(
        "Nothing here starts schedules: there is neither a systemd of the user nor a crontab; install cron, or start "
        "`quality-gate schedule run` from what your machine has."
    )
