"""The times of a schedule for a cluster, where ZenML's orchestrator starts pipelines."""

from zenml.config.schedule import Schedule

from quality_gate.schedules.calendar import Calendar


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
