"""What people said of the photos of a gate, for those who learn from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, select

from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction import Prediction
from quality_gate.monitoring.prediction_log import PredictionLog, Window, prediction_of
from quality_gate.monitoring.schema import PREDICTIONS, REVIEW_UNDOS, REVIEWS
from quality_gate.review.verdict import Review

PAGE_ROWS = 2_000
_ASKED_TOGETHER = 1_000

_P, _R = PREDICTIONS.c, REVIEWS.c


def photos_found(
    database: Database, photos: Collection[str], query: Select[tuple[str]], column: ColumnElement[str]
) -> set[str]:
    """Those of some photos that a query finds in a column; asked in parts, for databases take only so many at once.

    Raises:
        LogUnavailable: the database does not answer.
    """
    found, listed = set[str](), sorted(photos)
    with database.reading() as connection:
        for start in range(0, len(listed), _ASKED_TOGETHER):
            some = query.where(column.in_(listed[start : start + _ASKED_TOGETHER]))
            found |= set(connection.execute(some).scalars())
    return found


def reviewed_among(database: Database, photos: Collection[str]) -> set[str]:
    """Those of some photos that somebody gave a class or found to have none, at whatever gate.

    Raises:
        LogUnavailable: the database does not answer.
    """
    query = select(_R.image_sha256).where(_R.verdict != "skip", _stands())
    return photos_found(database, photos, query, _R.image_sha256)


class Reviews:
    """The reviews of a gate that stand: of each photo and reviewer the latest that was not taken back, no skips.

    Args:
        database: of the prediction log.
        gate: name of the gate.
    """

    def __init__(self, database: Database, gate: str) -> None:
        self._database = database
        self._gate = gate

    def answers(self, window: Window, *, page_rows: int = PAGE_ROWS) -> Iterator[tuple[Prediction, Sequence[Review]]]:
        """The answers of a window that were for review, newest first, with the reviews of their photos, if any.

        A photo that was answered several times gives its reviews to each of these answers, whenever it was reviewed: so
        the audited answers stay a random share of the accepted.

        Args:
            window: which answers; its gate is that of the reviews.
            page_rows: answers that are read at once.

        Raises:
            LogUnavailable: the database does not answer.
        """
        log = PredictionLog(self._database)
        for page in log.read(replace(window, gate=self._gate, for_review=True), page_rows=page_rows):
            reviews = self._latest({prediction.image_sha256 for prediction in page})
            for prediction in page:
                yield prediction, reviews.get(prediction.image_sha256, ())

    def by_photo(self) -> dict[str, list[Review]]:
        """The reviews of every reviewed photo, by SHA-256, oldest first; with different labels reviewers disagree.

        Raises:
            LogUnavailable: the database does not answer.
        """
        return self._latest(None)

    def photos(self, *, page_rows: int = PAGE_ROWS) -> Iterator[Prediction]:
        """An answer, the oldest, for each photo that is for review or was.

        Raises:
            LogUnavailable: the database does not answer.
        """
        first = select(PREDICTIONS).where(_P.gate == self._gate, _P.review_reason.is_not(None))
        seen = set[str]()
        with self._database.reading() as connection:
            rows = connection.execute(first.order_by(_P.time, _P.id).execution_options(yield_per=page_rows))
            for row in rows.mappings():
                if row["image_sha256"] not in seen:
                    seen.add(row["image_sha256"])
                    yield prediction_of(row)

    def _latest(self, photos: Collection[str] | None) -> dict[str, list[Review]]:
        query = select(REVIEWS).where(_R.gate == self._gate, _R.verdict != "skip", _stands())
        if photos is not None:
            query = query.where(_R.image_sha256.in_(photos))
        with self._database.reading() as connection:
            rows: Sequence[Any] = connection.execute(query.order_by(_R.time, _R.number)).mappings().all()
        latest = {(row["image_sha256"], row["reviewer"]): _review(row) for row in rows}
        found = defaultdict(list)
        for review in sorted(latest.values(), key=lambda review: review.time):
            found[review.image_sha256].append(review)
        return dict(found)


def _stands() -> ColumnElement[bool]:
    """Of reviews: they were not taken back."""
    return ~select(REVIEW_UNDOS.c.review_id).where(REVIEW_UNDOS.c.review_id == _R.id).exists()


def _review(row: RowMapping) -> Review:
    names = ("id", "time", "image_sha256", "reviewer", "verdict", "label", "source")
    return Review(**{name: row[name] for name in names})
