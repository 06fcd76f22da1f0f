"""Start the pipeline of a schedule, as if its command had been typed now."""

from zenml import step

from quality_gate.errors import UserError


@step(enable_cache=False)
def start_scheduled(name: str) -> None:
    """Run the schedule to its end; what came of it stands in ``quality-gate schedule list``, as on a single machine.

    Args:
        name: of the schedule.

    Raises:
        UserError: there is no such schedule, or its pipeline has failed.
    """
    from quality_gate.home import locate
    from quality_gate.progress import ConsoleReporter
    from quality_gate.schedules.running import run_schedule
    from quality_gate.schedules.schedule import ScheduleStore
    from steps.failure_alert import alert_of_failure

    home = locate()
    if run_schedule(home, name, if_due=False, say=ConsoleReporter().say, alerts=[alert_of_failure]):
        last = ScheduleStore(home.schedules).last_run(name)
        raise UserError(f"the schedule {name} failed: {last.error if last else 'it said nothing'}")
