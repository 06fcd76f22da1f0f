"""What came of scheduled runs as metrics: a file for the textfile collector of Prometheus' node_exporter."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from quality_gate.schedules.schedule import LastRun, Schedule

PREFIX = "quality_gate_schedule"


def metric_path(schedule: Schedule) -> Path:
    """The file of a schedule that has a folder for it."""
    assert schedule.metrics_folder is not None
    return Path(schedule.metrics_folder) / f"{PREFIX}_{schedule.name}.prom"


def write_metrics(schedule: Schedule, run: LastRun, last_success: str | None) -> None:
    """Write the file, whole or not at all, as node_exporter asks for.

    Args:
        schedule: with a folder for it.
        run: that has ended.
        last_success: local time at which a run last succeeded, in ISO format; None where none has.

    Raises:
        OSError: the folder cannot be written.
    """
    path = metric_path(schedule)
    partial = path.with_suffix(".partial")
    partial.write_text(metrics_text(schedule, run, last_success), encoding="utf-8")
    partial.replace(path)


def metrics_text(schedule: Schedule, run: LastRun, last_success: str | None) -> str:
    """The metrics in Prometheus' text format."""
    labels = f'{{schedule="{schedule.name}",pipeline="{schedule.pipeline}"}}'
    values: dict[str, tuple[str, float | None]] = {
        "last_exit_code": ("Exit code of the last run; 0 is success.", run.exit_code),
        "last_start_timestamp_seconds": ("When the last run started.", _timestamp(run.started)),
        "last_duration_seconds": ("How long the last run took.", run.seconds),
        "last_success_timestamp_seconds": (
            "When a run last succeeded.",
            _timestamp(last_success) if last_success else None,
        ),
    }
    return "".join(
        f"# HELP {PREFIX}_{name} {text}\n# TYPE {PREFIX}_{name} gauge\n{PREFIX}_{name}{labels} {value:.15g}\n"
        for name, (text, value) in values.items()
        if value is not None
    )


def _timestamp(local: str) -> float:
    return datetime.fromisoformat(local).timestamp()
