"""The step with which a cluster starts the pipeline of a schedule."""

import pytest

from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE, Home
from quality_gate.schedules.schedule import LastRun, ScheduleStore
from steps.start_scheduled import start_scheduled


@pytest.fixture
def ends(tmp_path, monkeypatch):
    """Has the runs of schedules end with a code and an error; lists what was started."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    started = []

    def end(code, error=""):
        def run_schedule(home, name, *, if_due, say, alerts):
            started.append((home, name, if_due, len(alerts)))
            ScheduleStore(home.schedules).save_last_run(name, LastRun("2026-03-04T02:00:00", None, code, error))
            return code

        monkeypatch.setattr("quality_gate.schedules.running.run_schedule", run_schedule)
        return started

    return end


def test_it_runs_the_schedule_of_the_volume_whether_it_is_due_or_not(ends, tmp_path):
    started = ends(0)
    start_scheduled.entrypoint(name="nightly")
    assert started == [(Home(tmp_path), "nightly", False, 1)]


def test_a_run_that_fails_fails_the_step_with_what_it_said(ends):
    ends(1, "Error: gate: macro F1 is too low.")
    with pytest.raises(UserError, match=r"^the schedule nightly failed: Error: gate: macro F1 is too low\.$"):
        start_scheduled.entrypoint(name="nightly")
