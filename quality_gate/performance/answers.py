"""Answers that a person looked at, and how many answers they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from quality_gate.errors import UserError

Reason = Literal["review", "audit"]


@dataclass(frozen=True)
class InspectedAnswer:
    """An answer that went to a person.

    Attributes:
        id: of the answer in the prediction log, for messages.
        time: when the service gave it, with a time zone.
        model_version: of the model that gave it.
        label: the class it gave; the most probable one, unless a watched one reached its threshold.
        probabilities: of every class, in 0..1.
        reason: ``review``, the service would not accept it; ``audit``, it accepted it, and chance chose it.
        share: chance with which an answer like it goes to a person, in (0, 1]: 1 for ``review``.
        true_label: what the person said; None where they could not tell, or have not looked yet.
        reviewed_at: when they said it, with a time zone; None likewise.

    Raises:
        ValueError: a value is out of its range; the message names the field.
    """

    id: str
    time: datetime
    model_version: str
    label: str
    probabilities: Mapping[str, float]
    reason: Reason
    share: float
    true_label: str | None
    reviewed_at: datetime | None

    def __post_init__(self) -> None:
        if self.reason not in get_args(Reason):
            raise ValueError(f"reason is {self.reason!r}; expected review or audit")
        if not 0 < self.share <= 1 or (self.reason == "review" and self.share != 1):
            raise ValueError(f"share is {self.share!r}; expected more than 0, at most 1, and 1 where reason is review")
        if self.label not in self.probabilities:
            raise ValueError(f"label is {self.label!r}; expected one of {', '.join(self.probabilities)}")
        for name in ("time", "reviewed_at"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name} is {moment!r}; expected a time with a time zone")
        if self.true_label is not None and self.reviewed_at is None:
            raise ValueError("reviewed_at is None; expected a time, because there is a true_label")

    @property
    def week(self) -> date:
        """The Monday of its week, in UTC."""
        return monday(self.time)

    @property
    def is_right(self) -> bool:
        """Whether the person said what the model said."""
        return self.label == self.true_label


@dataclass(frozen=True)
class Volume:
    """How many answers a model gave, by what became of them; 0 or more each."""

    accepted: int
    to_review: int

    def __add__(self, other: Volume) -> Volume:
        return Volume(self.accepted + other.accepted, self.to_review + other.to_review)

    def of(self, reason: Reason) -> int:
        """The answers that those with this reason stand for."""
        return self.accepted if reason == "audit" else self.to_review


def monday(time: datetime) -> date:
    """The first day of the week of a time, in UTC."""
    day = time.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def check_labels(answers: Sequence[InspectedAnswer], classes: Sequence[str]) -> None:
    """Make sure that people said nothing that is no class, for it would count as an error of the model.

    Raises:
        UserError: someone did; the message says what, how often, and of which answer.
    """
    unknown = [answer for answer in answers if answer.true_label is not None and answer.true_label not in classes]
    if unknown:
        first = unknown[0]
        kinds = ", ".join(f"{name!r} ({count})" for name, count in Counter(each.true_label for each in unknown).items())
        raise UserError(
            f"{len(unknown)} reviewed labels are no class of the model ({kinds}; the first is of the answer {first.id})"
            f"; expected {', '.join(classes)}: correct them in the review, or leave these photos out."
        )


def check_answers(answers: Sequence[InspectedAnswer], classes: Sequence[str]) -> None:
    """Make sure that a model of these classes gave the answers; the version alone does not say so.

    Raises:
        UserError: another did; the message says how many, and which classes it had.
    """
    other = [answer for answer in answers if set(answer.probabilities) != set(classes)]
    if other:
        raise UserError(
            f"{len(other)} answers of version {other[0].model_version} in the prediction log are of another model (its "
            f"classes are {', '.join(sorted(other[0].probabilities))}; expected {', '.join(classes)}): another "
            "installation may write into the same log under the same name, or the gate was begun anew; give it another "
            "`name:`."
        )
