import shutil
import subprocess
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.schedules.calendar import WEEKDAYS, Calendar

units = st.sampled_from(["hourly", "daily", "weekly", "monthly"])
minutes = st.integers(0, 59)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1))
DAYS = {"hourly": st.just(0), "daily": st.just(0), "weekly": st.integers(0, 6), "monthly": st.integers(1, 28)}


@st.composite
def calendars(draw):
    unit = draw(units)
    return Calendar(unit, draw(DAYS[unit]), 0 if unit == "hourly" else draw(st.integers(0, 23)), draw(minutes))


@pytest.mark.parametrize(
    ("text", "written", "on_calendar", "cron"),
    [
        ("hourly", "hourly at :00", "*-*-* *:00:00", "0 * * * *"),
        ("hourly at :30", "hourly at :30", "*-*-* *:30:00", "30 * * * *"),
        ("Daily", "daily at 00:00", "*-*-* 00:00:00", "0 0 * * *"),
        ("daily at 2:05", "daily at 02:05", "*-*-* 02:05:00", "5 2 * * *"),
        ("weekly", "weekly on monday at 00:00", "Mon *-*-* 00:00:00", "0 0 * * 1"),
        ("weekly  on Sunday at 23:59", "weekly on sunday at 23:59", "Sun *-*-* 23:59:00", "59 23 * * 0"),
        ("monthly", "monthly on 1 at 00:00", "*-*-01 00:00:00", "0 0 1 * *"),
        ("monthly on 28 at 12:00", "monthly on 28 at 12:00", "*-*-28 12:00:00", "0 12 28 * *"),
    ],
)
def test_words_become_what_systemd_and_cron_want(text, written, on_calendar, cron):
    calendar = Calendar.parse(text)
    assert (str(calendar), calendar.on_calendar, calendar.cron) == (written, on_calendar, cron)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected something like: hourly"),
        ("fortnightly", "'fortnightly' is no time of the calendar"),
        ("daily on monday", "names a day"),
        ("hourly at 02:30", "expected hourly at :30"),
        ("daily at :30", "expected daily … at 02:30"),
        ("daily at 24:00", "from 00:00 to 23:59"),
        ("weekly on 3", "expected one of monday"),
        ("monthly on 31", "from 1 to 28"),
        ("monthly on monday", "from 1 to 28"),
    ],
)
def test_other_words_are_refused_with_what_was_expected(text, message):
    with pytest.raises(ValueError, match=message):
        Calendar.parse(text)


@given(calendars())
def test_what_is_written_is_read_back(calendar):
    assert Calendar.parse(str(calendar)) == calendar


@given(calendars(), moments)
def test_now_lies_between_the_last_time_and_the_next_with_none_in_between(calendar, now):
    last, following = calendar.last_due(now), calendar.next_due(now)
    assert last <= now < following
    assert calendar.last_due(following - timedelta(microseconds=1)) == last
    assert calendar.last_due(following) == following


@given(calendars(), moments)
def test_it_is_due_at_the_time_it_names(calendar, now):
    due = calendar.next_due(now)
    assert (due.minute, due.second) == (calendar.minute, 0)
    if calendar.unit != "hourly":
        assert due.hour == calendar.hour
    if calendar.unit == "weekly":
        assert due.weekday() == calendar.day
    if calendar.unit == "monthly":
        assert due.day == calendar.day


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("text", ["hourly at :30", "daily at 02:30", "monthly on 15 at 02:30"] +
                         [f"weekly on {day} at 02:30" for day in WEEKDAYS])  # fmt: skip
def test_systemd_understands_them_alike(text):
    calendar, now = Calendar.parse(text), datetime(2026, 3, 4, 12, 10)
    base = ["systemd-analyze", "calendar", "--base-time", f"{now:%Y-%m-%d %H:%M:%S}", calendar.on_calendar]
    said = subprocess.run(base, capture_output=True, text=True, check=True).stdout
    assert f"Next elapse: {calendar.next_due(now):%a %Y-%m-%d %H:%M:%S}" in said
