"""The schedules that a cluster starts, through whatever is installed to speak with it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Protocol

from quality_gate.errors import UserError
from quality_gate.schedules.schedule import Schedule

GROUP = "quality_gate.cluster"


class Cluster(Protocol):
    """What starts schedules on a cluster."""

    def install(self, name: str, every: str) -> None:
        """Start the schedule at these times of the calendar, in place of a former one of that name."""

    def remove(self, name: str) -> None:
        """Start it no more."""

    def is_installed(self, name: str) -> bool:
        """Whether it is started."""


def install(schedule: Schedule) -> None:
    """Have the cluster start a schedule.

    Raises:
        UserError: nothing here speaks with a cluster, or the cluster does not take it.
    """
    _cluster().install(schedule.name, schedule.every)


def remove(name: str) -> None:
    """Have the cluster start it no more."""
    _cluster().remove(name)


def is_installed(name: str) -> bool:
    """Whether the cluster starts it."""
    return _cluster().is_installed(name)


def _cluster() -> Cluster:
    found = next(iter(entry_points(group=GROUP)), None)
    if found is None:
        raise UserError("Nothing here speaks with a cluster; reinstall the project with: make install")
    # Loaded only to be called: it takes seconds to import.
    cluster: Cluster = found.load()
    return cluster
