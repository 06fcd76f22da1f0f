"""The prediction log: every answer in a table of SQLite or PostgreSQL, written once and read in windows.

    with PredictionLog.open("postgresql://user:password@host/database") as log:
        refused = log.write(predictions)                          # twice the same changes nothing
        for page in log.read(Window(hours=24, gate="produce")):   # lists of predictions, newest first
            ...

SQLAlchemy, and for PostgreSQL psycopg, are needed. The schema is brought up to date when the log is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, Date, Insert, RowMapping, Select, func, literal, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError

from quality_gate.monitoring.database import Database, explained, said
from quality_gate.monitoring.prediction import DecisionName, ImageStatistics, Prediction
from quality_gate.monitoring.schema import PREDICTIONS

PAGE_ROWS = 2_000
MAX_HOURS = 1_000_000

_IMAGE_FIELDS = tuple(ImageStatistics.__slots__)
_OTHER_FIELDS = tuple(name for name in Prediction.__slots__ if name != "image")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A prediction that the database does not take, and why."""

    prediction: Prediction
    reason: str


@dataclass(frozen=True, slots=True)
class Window:
    """Which predictions are meant; what is None does not narrow it.

    Attributes:
        hours: of the last so many hours before ``until``, above 0.
        photos: the newest so many, 1 or more.
        gate: of this gate.
        model_version: of this version of the model; needs ``gate``, because every gate has a version 1.
        until: end of the window, not included; with a time zone. None means that nothing is too new.
        for_review: only those that a person is to look at.

    Raises:
        ValueError: a value is out of its range.
    """

    hours: float | None = None
    photos: int | None = None
    gate: str | None = None
    model_version: str | None = None
    until: datetime | None = None
    for_review: bool = False

    def __post_init__(self) -> None:
        if self.hours is not None and not 0 < self.hours <= MAX_HOURS:
            raise ValueError(f"hours is {self.hours!r}; expected more than 0, at most {MAX_HOURS:,}")
        if self.photos is not None and self.photos < 1:
            raise ValueError(f"photos is {self.photos!r}; expected 1 or more")
        if self.model_version is not None and self.gate is None:
            raise ValueError("model_version is given without its gate")
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError(f"until is {self.until!r}; expected a time with a time zone")


class PredictionLog:
    """An open log; safe for several threads.

    Args:
        database: where it lies; closed with the log.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.name = database.name
        dialect = postgresql if database.engine.dialect.name == "postgresql" else sqlite
        self._insert: Insert = dialect.insert(PREDICTIONS).on_conflict_do_nothing()

    @classmethod
    def open(cls, url: str) -> PredictionLog:
        """Open a log and bring its schema up to date; an empty database becomes a log.

        Args:
            url: ``sqlite:///`` with the path of a file, or ``postgresql://user:password@host/database``.

        Raises:
            UserError: the URL names no database of these kinds, or one that a newer version of this product wrote.
            LogUnavailable: the database does not answer.
        """
        return cls(Database.open(url))

    def write(self, predictions: Sequence[Prediction]) -> list[Refusal]:
        """Add predictions, committed when this returns; one whose id is there already is left as it is.

        Returns:
            Those the database does not take; the others are in it nonetheless.

        Raises:
            LogUnavailable: the database does not answer, or does not take anything; then nothing was added.
        """
        if not predictions:
            return []
        rows = [_to_row(prediction) for prediction in predictions]
        with explained(self.name):
            try:
                with self.database.writing() as connection:
                    connection.execute(self._insert, rows)
                return []
            except (DataError, IntegrityError):
                return self._write_one_by_one(predictions)

    def read(self, window: Window, *, page_rows: int = PAGE_ROWS) -> Iterator[list[Prediction]]:
        """The predictions of a window, newest first, in lists of at most ``page_rows``.

        Each page is a query of its own, so that neither memory nor a long transaction grows with the window.

        Raises:
            LogUnavailable: the database does not answer.
        """
        query = select(PREDICTIONS).where(*_conditions(window))
        query = query.order_by(PREDICTIONS.c.time.desc(), PREDICTIONS.c.id.desc())
        left = window.photos
        last: Prediction | None = None
        while left is None or left > 0:
            size = page_rows if left is None else min(page_rows, left)
            page = self._page(_after(query, last).limit(size))
            if page:
                yield page
            if len(page) < size:
                return
            last = page[-1]
            left = None if left is None else left - size

    def count(self, window: Window | None = None) -> int:
        """How many predictions are in a window; None means the whole log.

        Raises:
            LogUnavailable: the database does not answer.
        """
        window = window or Window()
        chosen = select(PREDICTIONS.c.id).where(*_conditions(window)).limit(window.photos).subquery()
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(chosen)).scalar_one()

    def count_by_version(self, window: Window) -> dict[str, int]:
        """How many predictions of a window each version of the model made, however many photos the window is of.

        Raises:
            LogUnavailable: the database does not answer.
        """
        version = PREDICTIONS.c.model_version
        query = select(version, func.count()).where(*_conditions(window)).group_by(version).order_by(version)
        with self.database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def count_by_day(self, window: Window) -> dict[tuple[date, DecisionName], int]:
        """How many predictions of a window were accepted, or went to review, on each day in UTC.

        Raises:
            LogUnavailable: the database does not answer.
        """
        columns = PREDICTIONS.c
        is_sqlite = self.database.engine.dialect.name == "sqlite"
        day = func.date(columns.time if is_sqlite else func.timezone("UTC", columns.time), type_=Date())
        query = select(day, columns.decision, func.count()).where(*_conditions(window)).group_by(day, columns.decision)
        with self.database.reading() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query)}

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_one_by_one(self, predictions: Sequence[Prediction]) -> list[Refusal]:
        refused = []
        with self.database.writing() as connection:
            for prediction in predictions:
                try:
                    with connection.begin_nested():
                        connection.execute(self._insert, _to_row(prediction))
                except (DataError, IntegrityError) as error:
                    refused.append(Refusal(prediction, said(error)))
        return refused

    def _page(self, query: Select[Any]) -> list[Prediction]:
        with self.database.reading() as connection:
            return [prediction_of(row) for row in connection.execute(query).mappings()]


def _conditions(window: Window) -> list[ColumnElement[bool]]:
    columns = PREDICTIONS.c
    conditions: list[ColumnElement[bool]] = []
    if window.gate is not None:
        conditions.append(columns.gate == window.gate)
    if window.model_version is not None:
        conditions.append(columns.model_version == window.model_version)
    if window.hours is not None:
        conditions.append(columns.time >= (window.until or datetime.now(UTC)) - timedelta(hours=window.hours))
    if window.until is not None:
        conditions.append(columns.time < window.until)
    if window.for_review:
        conditions.append(columns.review_reason.is_not(None))
    return conditions


def _after(query: Select[Any], last: Prediction | None) -> Select[Any]:
    if last is None:
        return query
    time, identity = PREDICTIONS.c.time, PREDICTIONS.c.id
    return query.where(tuple_(time, identity) < tuple_(literal(last.time, time.type), literal(last.id, identity.type)))


def _to_row(prediction: Prediction) -> dict[str, Any]:
    row = {name: getattr(prediction, name) for name in _OTHER_FIELDS}
    row["probabilities"] = dict(prediction.probabilities)
    return row | asdict(prediction.image)


def prediction_of(row: RowMapping) -> Prediction:
    """The prediction in a row of the table."""
    image = ImageStatistics(**{name: row[name] for name in _IMAGE_FIELDS})
    return Prediction(**{name: row[name] for name in _OTHER_FIELDS}, image=image)
