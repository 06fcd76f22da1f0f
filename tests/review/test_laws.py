"""Laws of the desk under anything that people may do in any order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quality_gate.monitoring.database import Database
from quality_gate.monitoring.prediction import ImageStatistics, Prediction
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.reading import Reviews
from quality_gate.review.verdict import Review

LEASE = timedelta(minutes=10)
PEOPLE = (("ana", UUID(int=1)), ("ana", UUID(int=2)), ("ben", UUID(int=3)))
PHOTOS = 3
IMAGE = ImageStatistics(640, 480, 120.25, 0.5, 0.2, 0.6, 0.5, 0.4, 830.5)


def prediction(number):
    return Prediction(
        id=UUID(int=number + 1), time=datetime(2026, 3, 4, tzinfo=UTC), image_sha256=f"{number % PHOTOS:064x}",
        image_name="", gate="produce", model_version="1", label="onion", probabilities={"onion": 1.0}, confidence=1.0,
        decision="review", threshold=None, latency_ms=1.0, origin="service", image=IMAGE, review_reason="review",
        review_share=1.0,
    )  # fmt: skip


class Desks(RuleBasedStateMachine):
    """Three tabs of two people at five answers to three photos; the model knows who was shown what, and for how long.

    ``database`` is of each run and is made by the test below, as is ``done``: what people did at all.
    """

    database: Database
    done: set[str]

    def __init__(self):
        super().__init__()
        with self.database.writing() as connection:
            for table in ("review_leases", "review_undos", "reviews", "predictions"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        PredictionLog(self.database).write([prediction(number) for number in range(5)])
        self.now = datetime(2026, 3, 5, tzinfo=UTC)
        self.desk = ReviewDesk(self.database, "produce", classes=("onion", "potato"), lease=LEASE, now=lambda: self.now)
        # By photo: the place of who has it, and until when.
        self.shown = {}
        self.standing = []

    def show(self, person, turn):
        if turn.prediction is None:
            return
        photo = turn.prediction.image_sha256
        holder, until = self.shown.get(photo, (person, self.now))
        assert holder == person or until <= self.now
        self.shown = {other: lease for other, lease in self.shown.items() if lease[0] != person}
        self.shown[photo] = (person, self.now + LEASE)

    @rule(person=st.sampled_from(range(len(PEOPLE))))
    def ask(self, person):
        self.done.add("asked")
        turn = self.desk.next(*PEOPLE[person], lambda _photo: True)
        decided = {review.image_sha256 for _, review in self.standing if review.verdict != "skip"}
        assert turn.queue.waiting == PHOTOS - len(decided)
        assert turn.prediction is None or turn.prediction.image_sha256 not in decided
        self.show(person, turn)

    @precondition(lambda self: self.shown)
    @rule(choice=st.data(), verdict=st.sampled_from(["onion", "potato", "unknown", "skip"]))
    def say(self, choice, verdict):
        self.done.add("said")
        photo = choice.draw(st.sampled_from(sorted(self.shown)))
        person, _ = self.shown.pop(photo)
        label = verdict if verdict in ("onion", "potato") else None
        review = Review(uuid4(), self.now, photo, PEOPLE[person][0], "label" if label else verdict, label)
        self.desk.record(review, PEOPLE[person][1])
        self.standing.append((person, review))

    @precondition(lambda self: self.standing)
    @rule(choice=st.data())
    def take_back(self, choice):
        self.done.add("took back")
        place = choice.draw(st.integers(0, len(self.standing) - 1))
        person, review = self.standing.pop(place)
        self.show(person, self.desk.undo(review.id, *PEOPLE[person], lambda _photo: True))

    @rule(minutes=st.sampled_from([1, 9, 11]))
    def wait(self, minutes):
        self.now += timedelta(minutes=minutes)

    @invariant()
    def what_stands_is_what_was_said_and_not_taken_back(self):
        expected = {}
        for _, review in sorted(self.standing, key=lambda one: one[1].time):
            if review.verdict != "skip":
                expected[review.image_sha256, review.reviewer] = review.id
        found = Reviews(self.database, "produce").by_photo()
        assert {(photo, one.reviewer): one.id for photo, all_of in found.items() for one in all_of} == expected


def test_whatever_people_do_no_photo_is_with_two_of_them_and_undo_restores(database_url):
    database = Database.open(database_url)
    machine = type("Case", (Desks,), {"database": database, "done": set()})
    machine.TestCase.settings = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    try:
        machine.TestCase("runTest").runTest()
        assert machine.done == {"asked", "said", "took back"}
    finally:
        database.close()
