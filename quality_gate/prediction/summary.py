"""What came of a batch, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quality_gate.errors import UserError
from quality_gate.prediction.batch import Batch
from quality_gate.prediction.record import Record
from quality_gate.prediction.result import QUARANTINE_FILE


@dataclass(frozen=True)
class BatchSummary:
    """How many photos of a run got which answer.

    Attributes:
        accepted: photos by label.
        review: photos by label.
        bad: files that could not be used.
    """

    accepted: Mapping[str, int]
    review: Mapping[str, int]
    bad: int

    @classmethod
    def of(cls, record: Record) -> BatchSummary:
        """Count what the record holds of the run."""
        counts = record.counts()
        chosen = {
            decision: {label: count for (label, decided), count in counts.items() if decided == decision}
            for decision in ("accept", "review")
        }
        return cls(chosen["accept"], chosen["review"], counts.get(("", ""), 0))

    @property
    def answered(self) -> int:
        """Photos with an answer."""
        return sum(self.accepted.values()) + sum(self.review.values())

    @property
    def files(self) -> int:
        """Photos with an answer, and files that could not be used."""
        return self.answered + self.bad

    @property
    def bad_share(self) -> float:
        """Share of the files that could not be used, in 0..1."""
        return self.bad / self.files if self.files else 0.0

    def sentence(self, batch: Batch) -> str:
        """The run in one line."""
        if not self.files:
            waiting = f"; {_count(batch.on_their_way, 'file')} on the way wait for the next run" * bool(
                batch.on_their_way
            )
            return f"no photos in the {batch.source}{waiting}"
        before = self.answered - batch.new
        parts = [
            f"{sum(self.accepted.values())} accepted, {sum(self.review.values())} to review",
            f"{self.bad} bad",
            *([f"{before} of the answers were given before"] if before > 0 else []),
            *([f"{_count(batch.on_their_way, 'file')} on the way left to the next run"] if batch.on_their_way else []),
        ]
        return f"{_count(self.files, 'file')} by {batch.gate}:{batch.model_version}: {'; '.join(parts)}"

    def too_many_bad(self, batch: Batch, record: Record, folder: Path, max_unreadable_share: float) -> UserError | None:
        """What to raise at the end of the run if more files are bad than may be; None if not.

        Args:
            batch: the batch.
            record: of the run, while this is current.
            folder: where the list of the bad files lies.
            max_unreadable_share: in 0..1.
        """
        if self.bad_share <= max_unreadable_share:
            return None
        first = next(record.bad())
        return UserError(
            f"{batch.source}: {self.bad} of {_count(self.files, 'file')} ({self.bad_share:.1%}) cannot be used, and "
            f"max_unreadable_share allows {max_unreadable_share:.1%}; the first is {first.path}: {first.problem}; all "
            f"are listed in {folder / QUARANTINE_FILE}."
        )


def _count(number: int, of_what: str) -> str:
    return f"{number:,} {of_what}{'' if number == 1 else 's'}"
