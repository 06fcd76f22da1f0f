"""The review desk: who looks at which photo, and what they said; in the database of the prediction log.

    desk = ReviewDesk(Database.open(url), "produce", classes=("onion", "potato"))
    turn = desk.next("ana", tab, photos.holds)              # a photo that nobody else has now
    desk.record(Review(uuid4(), now, turn.prediction.image_sha256, "ana", "label", "onion"), tab)
    turn = desk.undo(review_id, "ana", tab, photos.holds)   # that photo again

What waits is a query over the predictions that are for review; nothing of it is kept twice. Reviews are only added: of
what one reviewer said of a photo the latest counts, unless it was taken back. SQLAlchemy is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite

from quality_gate.monitoring.database import Database, explained
from quality_gate.monitoring.prediction_log import prediction_of
from quality_gate.monitoring.schema import PREDICTIONS, REVIEW_LEASES, REVIEW_UNDOS, REVIEWS
from quality_gate.review.reading import photos_found
from quality_gate.review.verdict import NoClass, Review, ReviewQueue, Turn, UnknownPhoto, UnknownReview

DEFAULT_LEASE = timedelta(minutes=10)

# Any number will do that nobody else locks in the same database together with the hash of a gate's name.
_DESK_LOCK = 1_905_514

_P, _R, _L = PREDICTIONS.c, REVIEWS.c, REVIEW_LEASES.c


class ReviewDesk:
    """The photos of a gate that people look at; safe for several threads and processes.

    A desk, below, is where one person sits: the tab of a browser. One person may sit at several.

    Args:
        database: of the prediction log.
        gate: name of the gate.
        classes: the labels that may be given.
        lease: how long a photo is nobody else's once it is shown.
        now: tells the time, in UTC.
    """

    def __init__(
        self,
        database: Database,
        gate: str,
        *,
        classes: Sequence[str],
        lease: timedelta = DEFAULT_LEASE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._gate = gate
        self.classes = tuple(classes)
        self._lease = lease
        self._now = now
        self._dialect = postgresql if database.engine.dialect.name == "postgresql" else sqlite

    def next(self, reviewer: str, desk: UUID, holds: Callable[[str], bool]) -> Turn:
        """Give a reviewer a photo that nobody else has: the one this desk has already, else the one that waits longest.

        What they skipped comes last.

        Args:
            reviewer: who asks.
            desk: where they sit.
            holds: tells whether the file of a photo is there; a photo without is passed over, and does not wait.

        Raises:
            LogUnavailable: the database does not answer.
        """
        with self._alone() as connection:
            now = self._now()
            held = (_L.reviewer == reviewer) & (_L.desk == desk) & (_L.until > now)
            rows = select(_P.id, _P.image_sha256).where(*self._waiting())
            mine = rows.join(REVIEW_LEASES, self._same_photo(REVIEW_LEASES)).where(held)
            free = rows.where(~self._leased(now))
            skipped = self._skipped_by(reviewer)
            in_order = (
                mine,
                free.where(_P.image_sha256.not_in(select(skipped.c.image_sha256))).order_by(_P.time, _P.id),
                free.join(skipped, skipped.c.image_sha256 == _P.image_sha256).order_by(skipped.c.last, _P.time, _P.id),
            )
            found = next((row for query in in_order for row in self._shown(connection, query, holds)), None)
            if found is None:
                return Turn(None, self._queue(connection, holds))
            return self._turn(connection, found, reviewer, desk, holds)

    def queue(self, holds: Callable[[str], bool]) -> ReviewQueue:
        """Count what waits.

        Args:
            holds: tells whether the file of a photo is there.

        Raises:
            LogUnavailable: the database does not answer.
        """
        with self._database.reading() as connection:
            return self._queue(connection, holds)

    def record(self, review: Review, desk: UUID | None = None) -> None:
        """Keep a review; one that came before changes nothing.

        Args:
            review: what somebody said.
            desk: where they sit, which has the photo no longer.

        Raises:
            NoClass: the label is no class of the model.
            UnknownPhoto: the photo is not for review.
            LogUnavailable: the database does not answer; the review is not kept.
        """
        self.record_all([review])
        if desk is not None:
            with explained(self._database.name), self._database.writing() as connection:
                photo = (_L.gate == self._gate) & (_L.image_sha256 == review.image_sha256)
                connection.execute(delete(REVIEW_LEASES).where(photo, _L.desk == desk))

    def record_all(self, reviews: Sequence[Review]) -> None:
        """Keep all of these reviews, or none of them.

        Raises:
            NoClass: a label is no class of the model.
            UnknownPhoto: a photo is not for review.
            LogUnavailable: the database does not answer.
        """
        for review in reviews:
            if not self.allows(review):
                classes = ", ".join(self.classes)
                raise NoClass(f"{review.label!r} is no class of {self._gate}; its classes are {classes}")
        unknown = {review.image_sha256 for review in reviews} - self.known({one.image_sha256 for one in reviews})
        if unknown:
            raise UnknownPhoto(f"{min(unknown)}: no photo with this SHA-256 is for review at {self._gate}")
        fields = ("id", "time", "image_sha256", "reviewer", "verdict", "label", "source")
        rows = [{"gate": self._gate} | {name: getattr(one, name) for name in fields} for one in reviews]
        if rows:
            with explained(self._database.name), self._database.writing() as connection:
                connection.execute(self._dialect.insert(REVIEWS).on_conflict_do_nothing(), rows)

    def undo(self, review_id: UUID, reviewer: str, desk: UUID, holds: Callable[[str], bool]) -> Turn:
        """Take a review back; its photo is shown to its reviewer again, unless somebody else has it now or it is gone.

        Args:
            review_id: of the review; taken back twice is taken back once.
            reviewer: who gave it.
            desk: where they sit.
            holds: tells whether the file of a photo is there.

        Raises:
            UnknownReview: the reviewer gave no such review; one that comes later counts as taken back.
            LogUnavailable: the database does not answer; the review stands.
        """
        with self._alone() as connection:
            now = self._now()
            given = connection.execute(select(_R.reviewer, _R.gate, _R.image_sha256).where(_R.id == review_id)).first()
            is_own = given is not None and (given.reviewer, given.gate) == (reviewer, self._gate)
            if given is None or is_own:
                # One that is not here may be on its way still: a request goes on when nobody waits for its answer.
                taken_back = self._dialect.insert(REVIEW_UNDOS).on_conflict_do_nothing()
                connection.execute(taken_back, {"review_id": review_id, "time": now})
            if given is not None and is_own:
                others = self._leased(now) & ~self._leased(now, (_L.reviewer == reviewer) & (_L.desk == desk))
                photo = select(_P.id).where(*self._waiting(), _P.image_sha256 == given.image_sha256, ~others)
                found = connection.execute(photo.order_by(_P.time, _P.id).limit(1)).scalar()
                if found is None or not holds(given.image_sha256):
                    return Turn(None, self._queue(connection, holds))
                return self._turn(connection, found, reviewer, desk, holds)
        raise UnknownReview(f"{reviewer} gave no review with this id")

    def allows(self, review: Review) -> bool:
        """Whether a review names a class of the model, or none."""
        return review.label is None or review.label in self.classes

    def known(self, photos: set[str]) -> set[str]:
        """Those of some photos that are for review, or were."""
        query = select(_P.image_sha256).where(*self._for_review())
        return photos_found(self._database, photos, query, _P.image_sha256)

    def _turn(
        self, connection: Connection, prediction_id: UUID, reviewer: str, desk: UUID, holds: Callable[[str], bool]
    ) -> Turn:
        """Lease the photo of a prediction to a desk, which has then no other."""
        row = connection.execute(select(PREDICTIONS).where(_P.id == prediction_id)).mappings().one()
        prediction = prediction_of(row)
        connection.execute(delete(REVIEW_LEASES).where(_L.gate == self._gate, _L.desk == desk, _L.reviewer == reviewer))
        lease = {"reviewer": reviewer, "desk": desk, "until": self._now() + self._lease}
        insert = self._dialect.insert(REVIEW_LEASES).values(
            gate=self._gate, image_sha256=prediction.image_sha256, **lease
        )
        connection.execute(insert.on_conflict_do_update(index_elements=[_L.gate, _L.image_sha256], set_=lease))
        return Turn(prediction, self._queue(connection, holds))

    def _shown(self, connection: Connection, query: Select[Any], holds: Callable[[str], bool]) -> Iterator[UUID]:
        """Predictions of photos whose files are there."""
        with connection.execute(query.execution_options(yield_per=64)) as rows:
            yield from (prediction_id for prediction_id, image_sha256 in rows if holds(image_sha256))

    def _for_review(self) -> list[ColumnElement[bool]]:
        return [_P.gate == self._gate, _P.review_reason.is_not(None)]

    def _waiting(self) -> list[ColumnElement[bool]]:
        """Of predictions: their photos are for review, and nobody has reviewed them."""
        reviewed = select(_R.id).where(*self._effective(), _decided(), _R.image_sha256 == _P.image_sha256)
        return [*self._for_review(), ~reviewed.exists()]

    def _effective(self) -> list[ColumnElement[bool]]:
        """Of reviews: they are of this gate and were not taken back."""
        undone = select(REVIEW_UNDOS.c.review_id).where(REVIEW_UNDOS.c.review_id == _R.id)
        return [_R.gate == self._gate, ~undone.exists()]

    def _skipped_by(self, reviewer: str) -> Any:
        """The photos that a reviewer skipped, with the number of the last skip."""
        skips = select(_R.image_sha256, func.max(_R.number).label("last"))
        skips = skips.where(*self._effective(), _R.verdict == "skip", _R.reviewer == reviewer)
        return skips.group_by(_R.image_sha256).subquery()

    def _leased(self, now: datetime, whose: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
        """Of predictions: somebody looks at their photo."""
        lease = select(_L.until).where(self._same_photo(REVIEW_LEASES), _L.until > now)
        return (lease if whose is None else lease.where(whose)).exists()

    def _same_photo(self, table: Any) -> ColumnElement[bool]:
        return and_(table.c.gate == self._gate, table.c.image_sha256 == _P.image_sha256)

    def _queue(self, connection: Connection, holds: Callable[[str], bool]) -> ReviewQueue:
        rows = select(_P.image_sha256, self._leased(self._now()).label("leased")).where(*self._waiting()).distinct()
        found = [(holds(image_sha256), bool(leased)) for image_sha256, leased in connection.execute(rows)]
        waiting = sum(held for held, _ in found)
        return ReviewQueue(waiting, found.count((True, True)), len(found) - waiting)

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        """A transaction during which nobody else is given a photo of the gate."""
        with explained(self._database.name), self._database.writing() as connection:
            if connection.dialect.name == "postgresql":
                lock = text("SELECT pg_advisory_xact_lock(:desk, hashtext(:gate))")
                connection.execute(lock, {"desk": _DESK_LOCK, "gate": self._gate})
            yield connection


def _decided() -> ColumnElement[bool]:
    """Of reviews: the photo waits no longer."""
    return or_(_R.verdict == "label", _R.verdict == "unknown")
