"""What somebody said of a photo; only the standard library is imported."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from quality_gate.monitoring.prediction import Prediction

Verdict = Literal["label", "unknown", "skip"]
Source = Literal["desk", "import"]

MAX_REVIEWER_LENGTH = 64


class UnknownPhoto(ValueError):
    """A photo that is not for review."""


class NoClass(ValueError):
    """A label that the model does not know."""


class UnknownReview(ValueError):
    """A review that its reviewer never gave."""


@dataclass(frozen=True, slots=True)
class Review:
    """What a person said of a photo, once.

    Attributes:
        id: made by whoever asks; a review that comes twice is kept once.
        time: when it came, in UTC.
        image_sha256: of the photo.
        reviewer: 1 to 64 printable characters.
        verdict: ``label``, ``unknown`` (looked at, and no class can be told) or ``skip`` (left to others).
        label: the class; None unless the verdict is ``label``.
        source: ``desk``, or ``import`` for labels that were given elsewhere.

    Raises:
        ValueError: a value is out of its range.
    """

    id: UUID
    time: datetime
    image_sha256: str
    reviewer: str
    verdict: Verdict
    label: str | None = None
    source: Source = "desk"

    def __post_init__(self) -> None:
        if self.time.utcoffset() != timedelta(0):
            raise ValueError(f"time is {self.time!r}; expected a time in UTC")
        if not 0 < len(self.reviewer) <= MAX_REVIEWER_LENGTH or not self.reviewer.isprintable():
            raise ValueError(f"reviewer is {self.reviewer!r}; expected 1 to {MAX_REVIEWER_LENGTH} printable characters")
        if self.verdict not in get_args(Verdict):
            raise ValueError(f"verdict is {self.verdict!r}; expected {', '.join(get_args(Verdict))}")
        if (self.verdict == "label") != (self.label is not None):
            raise ValueError(f"label is {self.label!r} with the verdict {self.verdict!r}; only a label has one")


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """Photos of a gate that were for review and that nobody has reviewed.

    Attributes:
        waiting: whose files are there, those included that somebody looks at now.
        leased: of these, how many somebody looks at now.
        missing: whose files are gone, as too old or too many; they cannot be reviewed, and wait no longer.
    """

    waiting: int
    leased: int
    missing: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody gets to look at.

    Attributes:
        prediction: an answer for the photo; None where nothing waits for them.
        queue: what waits at the gate, that photo included.
    """

    prediction: Prediction | None
    queue: ReviewQueue


def local_reviewer() -> str:
    """Who reviews where nobody says who they are: the user that runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
