"""Times of the calendar in words, and as systemd, cron and Kubernetes want them.

    hourly · hourly at :30
    daily · daily at 02:30
    weekly · weekly on sunday · weekly on sunday at 02:30
    monthly · monthly on 15 · monthly on 15 at 02:30

Times are local. Days of the month go to 28, which every month has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EXAMPLES = "hourly, daily at 02:30, weekly on sunday at 02:30, monthly on 15 at 02:30"

_WORDS = re.compile(
    r"(?P<unit>hourly|daily|weekly|monthly)(?: on (?P<day>\w+))?(?: at (?:(?P<hour>\d\d?))?:(?P<minute>\d\d))?"
)


@dataclass(frozen=True)
class Calendar:
    """When something is due, again and again.

    Attributes:
        unit: how often.
        day: weekday from 0, a Monday, or day of the month from 1 to 28; 0 where there is none.
        hour: 0 to 23; 0 where it is every hour.
        minute: 0 to 59.
    """

    unit: Literal["hourly", "daily", "weekly", "monthly"]
    day: int
    hour: int
    minute: int

    @classmethod
    def parse(cls, text: str) -> Calendar:
        """Read the words.

        Raises:
            ValueError: they are no such words.
        """
        found = _WORDS.fullmatch(" ".join(text.lower().split()))
        if not found:
            raise ValueError(f"{text!r} is no time of the calendar; expected something like: {EXAMPLES}")
        unit, day = found["unit"], found["day"]
        hour, minute = int(found["hour"] or 0), int(found["minute"] or 0)
        if unit in ("hourly", "daily") and day is not None:
            raise ValueError(f"{text!r} names a day; {unit} has none")
        if (unit == "hourly") == (found["hour"] is not None) and found["minute"] is not None:
            raise ValueError(f"{text!r}: expected {'hourly at :30' if unit == 'hourly' else f'{unit} … at 02:30'}")
        if hour > 23 or minute > 59:
            raise ValueError(f"{text!r}: expected a time from 00:00 to 23:59")
        if unit == "weekly":
            if day is not None and day not in WEEKDAYS:
                raise ValueError(f"{text!r}: expected one of {', '.join(WEEKDAYS)}")
            return cls("weekly", WEEKDAYS.index(day or "monday"), hour, minute)
        if unit == "monthly":
            if day is not None and not (day.isdecimal() and 1 <= int(day) <= 28):
                raise ValueError(f"{text!r}: expected a day from 1 to 28, which every month has")
            return cls("monthly", int(day or 1), hour, minute)
        return cls("hourly" if unit == "hourly" else "daily", 0, hour, minute)

    def __str__(self) -> str:
        if self.unit == "hourly":
            return f"hourly at :{self.minute:02}"
        on = ""
        if self.unit != "daily":
            on = f" on {WEEKDAYS[self.day] if self.unit == 'weekly' else self.day}"
        return f"{self.unit}{on} at {self.hour:02}:{self.minute:02}"

    @property
    def on_calendar(self) -> str:
        """The expression of systemd's ``OnCalendar=``."""
        if self.unit == "hourly":
            return f"*-*-* *:{self.minute:02}:00"
        time = f"{self.hour:02}:{self.minute:02}:00"
        if self.unit == "weekly":
            return f"{WEEKDAYS[self.day][:3].capitalize()} *-*-* {time}"
        return f"*-*-{self.day:02} {time}" if self.unit == "monthly" else f"*-*-* {time}"

    @property
    def cron(self) -> str:
        """The five fields of cron, and of a Kubernetes CronJob."""
        hour = "*" if self.unit == "hourly" else str(self.hour)
        day_of_month = str(self.day) if self.unit == "monthly" else "*"
        day_of_week = str((self.day + 1) % 7) if self.unit == "weekly" else "*"
        return f"{self.minute} {hour} {day_of_month} * {day_of_week}"

    def last_due(self, now: datetime) -> datetime:
        """The last time it was due, at or before a local time."""
        step = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
        due = now.replace(minute=self.minute, second=0, microsecond=0)
        if self.unit != "hourly":
            due = due.replace(hour=self.hour)
        if self.unit == "weekly":
            due -= timedelta(days=(due.weekday() - self.day) % 7)
        if self.unit != "monthly":
            return due if due <= now else due - step[self.unit]
        due = due.replace(day=self.day)
        return due if due <= now else (due.replace(day=1) - timedelta(days=1)).replace(day=self.day)

    def next_due(self, now: datetime) -> datetime:
        """The next time it is due, after a local time."""
        longest = {
            "hourly": timedelta(hours=1),
            "daily": timedelta(days=1),
            "weekly": timedelta(weeks=1),
            "monthly": timedelta(days=31),
        }
        last = self.last_due(now)
        due = self.last_due(last + longest[self.unit])
        # Over the end of a short month 31 days reach a day too far, but never a whole month too far.
        return due if due > now else self.last_due(last + 2 * longest[self.unit])


def _checked(text: str) -> str:
    return str(Calendar.parse(text))


# Of settings: times of the calendar, as they are written back.
CalendarText = Annotated[str, AfterValidator(_checked)]
