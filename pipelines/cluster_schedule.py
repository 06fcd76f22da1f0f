"""Schedules of a cluster: ZenML's orchestrator starts a small pipeline, whose only step starts the one that is due.

What a pipeline depends on, such as the photos that are there, is looked at when it is compiled. Were it scheduled
itself, that would be once, and every run would take everything from the cache.
"""

from zenml import pipeline
from zenml.client import Client
from zenml.config.schedule import Schedule

from pipelines.cluster import FLAVOR, GUIDE, cluster_image
from pipelines.containers import TRAINING_IMAGE
from pipelines.integrations import no_integrations
from quality_gate.errors import UserError
from quality_gate.schedules.calendar import Calendar
from steps.start_scheduled import start_scheduled


@pipeline(enable_cache=False)
def scheduled_start(schedule: str) -> None:
    """Start the pipeline of a schedule, and wait for its end.

    Args:
        schedule: its name.
    """
    start_scheduled(name=schedule)


def cluster_schedule(name: str, every: str) -> Schedule:
    """A schedule for ``pipeline.with_options(schedule=…)``; on Kubernetes it becomes a CronJob.

    Args:
        name: of the schedule.
        every: times of the calendar, the same words as of ``quality-gate schedule install``; a cluster reads them as
            UTC, where it is not set to another time zone.

    Raises:
        ValueError: the words are no times of the calendar.
    """
    return Schedule(name=name, cron_expression=Calendar.parse(every).cron)


def install(name: str, every: str) -> None:
    """Have the cluster of the active stack start the schedule ``name``, in place of a former one of that name.

    Raises:
        UserError: the active stack is no cluster's.
    """
    orchestrator = Client().active_stack.orchestrator
    if orchestrator.flavor != FLAVOR:
        raise UserError(
            f"--with cluster: the active stack starts pipelines with {orchestrator.flavor}, not on a cluster; see "
            f"{GUIDE}."
        )
    remove(name)
    settings = {
        "docker": cluster_image(TRAINING_IMAGE),
        # Of all steps the only one that asks something of the cluster: it starts a run there.
        "orchestrator": {"step_pod_service_account_name": orchestrator.config.service_account_name},
    }
    with no_integrations():
        scheduled_start.with_options(schedule=cluster_schedule(name, every), settings=settings)(schedule=name)


def remove(name: str) -> None:
    """Have the cluster start it no more; nothing happens where it does not."""
    for known in Client().list_schedules(name=name).items:
        # An archived one would keep its name from the next.
        Client().delete_schedule(known.id, soft=False)


def is_installed(name: str) -> bool:
    """Whether the cluster starts it."""
    return any(known.active for known in Client().list_schedules(name=name).items)
