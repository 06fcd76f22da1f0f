"""What a person sees while a long task runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol

SECONDS_BETWEEN_LINES = 10.0

# Called with the photos that are done and how many there are.
Progress = Callable[[int, int], None]


class Reporter(Protocol):
    """Told how far a task is."""

    def progress(self, task: str) -> Progress:
        """Start a bar; the returned function moves it."""

    def say(self, line: str) -> None:
        """Show one line."""


class ConsoleReporter:
    """Bars and lines on the standard error; where that is a file, a line every ten seconds instead of a bar."""

    def progress(self, task: str) -> Progress:
        """Start a bar; the returned function moves it."""
        return _bar(task) if sys.stderr.isatty() else _lines(task, self.say)

    def say(self, line: str) -> None:
        """Show one line."""
        print(line, file=sys.stderr, flush=True)


def _bar(task: str) -> Progress:
    from tqdm import tqdm

    bar = tqdm(desc=task, unit=" photos", mininterval=0.2, dynamic_ncols=True)

    def move(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return move


def _lines(task: str, say: Callable[[str], None]) -> Progress:
    started = time.monotonic()
    due = started + SECONDS_BETWEEN_LINES

    def move(done: int, total: int) -> None:
        nonlocal due
        now = time.monotonic()
        if done >= total:
            say(f"{task}: {total} photos in {now - started:.1f} s")
        elif now >= due:
            due = now + SECONDS_BETWEEN_LINES
            say(f"{task}: {done} of {total} photos")

    return move
