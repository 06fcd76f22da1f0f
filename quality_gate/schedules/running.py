"""A scheduled run: never twice at once, and visible where it fails."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE, Home
from quality_gate.run_lock import only_run
from quality_gate.schedules.metric_file import write_metrics
from quality_gate.schedules.schedule import OUTPUT_FILE, LastRun, Schedule, ScheduleStore
from quality_gate.schedules.webhook import WEBHOOK_VARIABLE, post_failure

ENVIRONMENT_FILE = "environment"
LOG_FILE = "runs.log"
MAX_ERROR_LENGTH = 500
SUCCESS_FILE = "last_success"

# Given the message, tells someone; raises whatever goes wrong.
Alert = Callable[[str], None]


def run_schedule(home: Home, name: str, *, if_due: bool, say: Callable[[str], None], alerts: Iterable[Alert]) -> int:
    """Run the pipeline of a schedule, and keep what came of it.

    Args:
        home: of all state.
        name: of the schedule.
        if_due: whether to do nothing unless it is due, for starters that do not know.
        say: told a line about a run that failed, and about a message that could not be sent.
        alerts: told of a run that failed, after the webhook.

    Returns:
        The exit code of the pipeline; 0 where it was not due.

    Raises:
        UserError: there is no such schedule, or it runs already.
    """
    store = ScheduleStore(home.schedules)
    schedule = store.load(name)
    if if_due and not store.is_due(schedule, datetime.now()):
        return 0
    with only_run(store.at(name), f"The schedule {name}", use="run", key=None):
        # Asked again: another start may have been quicker.
        if if_due and not store.is_due(schedule, datetime.now()):
            return 0
        environment = {**os.environ, HOME_VARIABLE: str(home.root)}
        try:
            environment |= read_environment(home.schedules / ENVIRONMENT_FILE)
        except UserError as error:
            run = LastRun(_now(), _now(), 1, error.message)
            store.save_last_run(name, run)
        else:
            run = _run(store, schedule, environment)
        messages = _tell(store, schedule, run, environment, alerts)
    for message in messages:
        say(message)
    return run.exit_code or 0


def read_environment(path: Path) -> dict[str, str]:
    """Variables for scheduled runs, ``NAME=value`` a line: what is secret stands in a file that only its owner reads.

    Args:
        path: of the file; without it there are none.

    Raises:
        UserError: others may read the file, or a line is none.
    """
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise UserError(f"{path} is open to others; close it with: chmod 600 {path}")
    variables = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, separator, value = line.partition("=")
            if not separator or not name.strip().isidentifier():
                raise UserError(f"{path}, line {number}: expected NAME=value.")
            variables[name.strip()] = value.strip()
    return variables


def _run(store: ScheduleStore, schedule: Schedule, environment: dict[str, str]) -> LastRun:
    run = LastRun(_now())
    # Before it begins, so that it counts as run however it ends.
    store.save_last_run(schedule.name, run)
    programs = Path(sys.executable).parent
    command = [str(programs / "zenml"), "pipeline", "run", schedule.pipeline]
    if schedule.config:
        command += ["--config", schedule.config]
    environment = {**environment, "PATH": os.pathsep.join((str(programs), environment.get("PATH", os.defpath)))}
    output = store.at(schedule.name) / OUTPUT_FILE
    try:
        with output.open("wb") as file:
            code = subprocess.run(  # noqa: S603
                command, cwd=schedule.folder, env=environment, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, check=False,
            ).returncode  # fmt: skip
        error = _last_error(output) if code else ""
    except OSError as problem:
        code, error = 127, f"{problem.filename or command[0]}: {problem.strerror}"
    run = replace(run, ended=_now(), exit_code=code, error=error)
    store.save_last_run(schedule.name, run)
    return run


def _tell(
    store: ScheduleStore, schedule: Schedule, run: LastRun, environment: dict[str, str], alerts: Iterable[Alert]
) -> list[str]:
    """Log, measure and send; what could not be sent is a line of its own."""
    text = _sentence(store, schedule, run)
    messages = [text] if run.exit_code else []
    success = store.at(schedule.name) / SUCCESS_FILE
    if not run.exit_code:
        success.write_text(str(run.ended), encoding="utf-8")
    if schedule.metrics_folder:
        try:
            write_metrics(schedule, run, success.read_text(encoding="utf-8") if success.exists() else None)
        except OSError as error:
            messages.append(f"The metric of {schedule.name} could not be written ({error}).")
    if run.exit_code:
        messages += _send(schedule, run, text, environment, alerts)
    with (store.at(schedule.name) / LOG_FILE).open("a", encoding="utf-8") as log:
        log.writelines(f"{_now()} {line}\n" for line in messages or [text])
    return messages


def _send(
    schedule: Schedule, run: LastRun, text: str, environment: dict[str, str], alerts: Iterable[Alert]
) -> list[str]:
    problems = []
    url = environment.get(WEBHOOK_VARIABLE)
    if url:
        facts = {
            "schedule": schedule.name,
            "pipeline": schedule.pipeline,
            "host": socket.gethostname(),
            "started": run.started,
            "exit_code": run.exit_code,
            "error": run.error,
        }
        try:
            post_failure(url, f"{socket.gethostname()}: {text}", facts)
        except UserError as error:
            problems.append(error.message)
    for alert in alerts:
        try:
            alert(f"{socket.gethostname()}: {text}")
        except Exception as error:  # whoever is told may fail in any way; the run has failed already
            problems.append(f"An alert could not be sent ({error}).")
    return problems


def _sentence(store: ScheduleStore, schedule: Schedule, run: LastRun) -> str:
    if not run.exit_code:
        return f"The schedule {schedule.name} is done, in {run.seconds:.0f} s."
    return (
        f"The schedule {schedule.name} failed with exit code {run.exit_code} after {run.seconds:.0f} s: "
        f"{run.error or 'it said nothing'} (its output: {store.at(schedule.name) / OUTPUT_FILE})"
    )


def _last_error(output: Path) -> str:
    """What a run said last: its error where it named one."""
    lines = [line.strip() for line in output.read_text(encoding="utf-8", errors="replace").splitlines()]
    errors = [line for line in lines if line.startswith("Error:")] or [line for line in lines if line]
    return errors[-1][:MAX_ERROR_LENGTH] if errors else ""


def _now() -> str:
    return datetime.now().isoformat(timespec="seconds")
