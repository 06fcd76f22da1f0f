"""``quality-gate schedule``: install, list, remove and run schedules."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import click

from quality_gate.home import locate
from quality_gate.schedules import installation, systemd
from quality_gate.schedules.calendar import EXAMPLES
from quality_gate.schedules.running import run_schedule
from quality_gate.schedules.schedule import DEFAULT_TIMES, Backend


@click.group()
def schedule() -> None:
    """Run pipelines by themselves: on timers of systemd, from the crontab where there is none, or on a cluster."""


@schedule.command()
@click.argument("pipeline", type=click.Choice(list(DEFAULT_TIMES)))
@click.option("--every", default=None, help=f"When: {EXAMPLES}. Local time.")
@click.option("--config", type=click.Path(path_type=Path), default=None, help="Run configuration, as of zenml.")
@click.option("--as", "name", default=None, help="Name of the schedule, where a pipeline has several.")
@click.option(
    "--metrics", "metrics_folder", type=click.Path(path_type=Path), default=None,
    help="Folder in which Prometheus' node_exporter looks for metrics.",
)  # fmt: skip
@click.option(
    "--with", "backend", type=click.Choice(["systemd", "cron", "cluster"]), default=None,
    help="What starts it; cluster: that of the active ZenML stack, by its clock.",
)  # fmt: skip
def install(
    pipeline: str,
    every: str | None,
    config: Path | None,
    name: str | None,
    metrics_folder: Path | None,
    backend: Backend | None,
) -> None:
    """Have PIPELINE run by itself; again with other options changes its schedule."""
    made = installation.install(
        locate(),
        pipeline,
        check=_check_configuration,
        name=name,
        every=every,
        config=config,
        metrics_folder=metrics_folder,
        backend=backend,
    )
    due = made.calendar.next_due(datetime.now())
    click.echo(f"{made.pipeline} runs {made.every}, by {made.backend}; next on {due:%Y-%m-%d at %H:%M}.")
    if made.backend == "systemd" and not systemd.lingers():
        click.echo("Timers of a user stop when the user logs out; have them go on with: loginctl enable-linger")


@schedule.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="A JSON list, for programs.")
def list_(as_json: bool) -> None:
    """Show every schedule: when it runs next, when it ran last, and what came of it."""
    found = installation.listed(locate(), datetime.now())
    if as_json:
        rows = [
            {
                **asdict(each.schedule),
                "next_due": each.next_due.isoformat() if each.next_due else None,
                "last_run": asdict(each.last_run) if each.last_run else None,
            }
            for each in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo("There is no schedule; make one with: quality-gate schedule install")
    for each in found:
        due = f"next on {each.next_due:%Y-%m-%d %H:%M}" if each.next_due else f"not in {each.schedule.backend} any more"
        click.echo(f"{each.schedule.name}: {each.schedule.pipeline} {each.schedule.every}, {due}; {_result(each)}")


@schedule.command()
@click.argument("name")
def remove(name: str) -> None:
    """Take the schedule NAME away, with its record."""
    installation.remove(locate(), name)
    click.echo(f"The schedule {name} is gone.")


@schedule.command()
@click.argument("name")
@click.option("--if-due", is_flag=True, help="Do nothing unless it is due.")
def run(name: str, if_due: bool) -> None:
    """Run the schedule NAME now, as its timer does; exits as the pipeline does."""
    alerts = [
        # Loaded only to be called: what sends alerts takes seconds to import.
        partial(lambda mirror, text: mirror.load()(text), found)
        for found in entry_points(group="quality_gate.schedule_failed")
    ]
    sys.exit(run_schedule(locate(), name, if_due=if_due, say=partial(click.echo, err=True), alerts=alerts))


def _check_configuration(pipeline: str, config: Path) -> None:
    """Have a pipeline look at its settings, as it does when a run begins; it is found by its name, as ZenML finds it.

    Raises:
        UserError: the file is no run configuration, or its parameters are no settings of the pipeline.
    """
    import_module(pipeline).with_options(config_path=str(config))


def _result(each: installation.Listed) -> str:
    last = each.last_run
    if last is None:
        return "has not run yet"
    when = f"last on {datetime.fromisoformat(last.started):%Y-%m-%d %H:%M}"
    if last.exit_code is None:
        return f"{when}, running or interrupted"
    if last.exit_code:
        return f"{when}, FAILED with exit code {last.exit_code}: {last.error or 'it said nothing'}"
    return f"{when}, done in {last.seconds:.0f} s"
