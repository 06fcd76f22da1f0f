from dataclasses import replace
from datetime import datetime

import pytest

from quality_gate.errors import UserError
from quality_gate.schedules.calendar import Calendar
from quality_gate.schedules.schedule import DEFAULT_TIMES, LastRun, ScheduleStore, check_name


@pytest.fixture
def store(tmp_path, schedule):
    made = ScheduleStore(tmp_path / "schedules")
    made.save(schedule)
    return made


def test_a_schedule_and_its_last_run_are_read_back(store, schedule):
    assert store.names() == ["nightly"]
    assert store.load("nightly") == schedule
    assert store.last_run("nightly") is None
    run = LastRun("2026-03-02T02:00:00", "2026-03-02T02:01:30", 1, "Error: no")
    store.save_last_run("nightly", run)
    assert store.last_run("nightly") == run
    assert run.seconds == 90


def test_a_schedule_that_is_not_there_is_told_with_those_that_are(store):
    with pytest.raises(UserError, match="no schedule 'weekly'; there are nightly"):
        store.load("weekly")
    store.remove("nightly")
    with pytest.raises(UserError, match="there is none"):
        store.load("nightly")


def test_a_damaged_file_is_named(store):
    (store.at("nightly") / "schedule.json").write_text("{")
    with pytest.raises(UserError, match=r"schedule\.json cannot be read"):
        store.load("nightly")


@pytest.mark.parametrize(
    ("now", "is_due"),
    [
        ("2026-03-01T23:00:00", False),  # not before its time comes for the first time
        ("2026-03-02T01:59:59", False),
        ("2026-03-02T02:00:00", True),
        ("2026-03-09T15:00:00", True),  # missed, however often
    ],
)
def test_it_is_due_from_its_time_on(store, schedule, now, is_due):
    assert store.is_due(schedule, datetime.fromisoformat(now)) is is_due


def test_what_was_missed_for_a_week_is_caught_up_once(store, schedule):
    store.save_last_run("nightly", LastRun("2026-03-09T15:00:00"))
    assert not store.is_due(schedule, datetime(2026, 3, 9, 16))
    assert not store.is_due(schedule, datetime(2026, 3, 10, 1, 59))
    assert store.is_due(schedule, datetime(2026, 3, 10, 2))


def test_a_run_at_its_very_time_is_the_one_that_was_due(store, schedule):
    store.save_last_run("nightly", LastRun("2026-03-09T02:00:00"))
    assert not store.is_due(schedule, datetime(2026, 3, 9, 2, 0, 1))


def test_other_times_count_from_when_they_were_installed(store, schedule):
    changed = replace(schedule, every="daily at 11:00")
    assert not store.is_due(changed, datetime(2026, 3, 1, 13))


@pytest.mark.parametrize("name", ["", "Nightly", "a/b", "-a", "a b", "a" * 64])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(UserError, match="--as is"):
        check_name(name)


def test_the_usual_times_are_times():
    assert all(str(Calendar.parse(times)) == times for times in DEFAULT_TIMES.values() if times)
