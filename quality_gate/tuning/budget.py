"""The time that tuning may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quality_gate.progress import Progress, Reporter


class TimeOver(Exception):
    """The budget is used up in the middle of a trial."""


@dataclass(frozen=True)
class Budget:
    """A moment after which nothing is begun.

    Attributes:
        end: on the clock, in seconds.
        clock: that never goes back.
    """

    end: float
    clock: Callable[[], float]

    @classmethod
    def of(cls, minutes: float, clock: Callable[[], float]) -> Budget:
        """So many minutes from now on."""
        return cls(clock() + 60 * minutes, clock)

    @property
    def is_over(self) -> bool:
        """Whether the moment has come."""
        return self.clock() >= self.end

    def check(self) -> None:
        """Go on, or not.

        Raises:
            TimeOver: the moment has come.
        """
        if self.is_over:
            raise TimeOver


@dataclass(frozen=True)
class BudgetedReporter:
    """Passes on what it is told, and looks at the clock whenever a photo is done.

    Attributes:
        reporter: that is told.
        budget: of all trials.
    """

    reporter: Reporter
    budget: Budget

    def progress(self, task: str) -> Progress:
        """Start a bar; the returned function moves it, or raises TimeOver."""
        move = self.reporter.progress(task)

        def checked(done: int, total: int) -> None:
            move(done, total)
            # What is complete anyway is not thrown away.
            if done < total:
                self.budget.check()

        return checked

    def say(self, line: str) -> None:
        """Show one line."""
        self.reporter.say(line)
