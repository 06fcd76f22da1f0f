import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from quality_gate.monitoring.database import Database, LogUnavailable
from quality_gate.monitoring.schema import REVIEWS
from quality_gate.review.desk import ReviewDesk
from quality_gate.review.verdict import NoClass, ReviewQueue, UnknownPhoto, UnknownReview

ANA, BEN, OTHER_TAB = UUID(int=1), UUID(int=2), UUID(int=3)


def always(_image_sha256):
    """The file of every photo is there."""
    return True


def photo_of(turn):
    return turn.prediction and turn.prediction.image_sha256


class TestNext:
    def test_the_photo_that_waits_longest_comes_first(self, desk, put, everywhere):
        first, _second = put({}, {})
        turn = desk.next("ana", ANA, everywhere)
        assert turn.prediction == first
        assert (turn.queue.waiting, turn.queue.missing) == (2, 0)

    def test_only_what_is_for_review_at_this_gate_waits(self, desk, put, everywhere):
        _accepted, _elsewhere, audited = put({"review_reason": None}, {"gate": "line 2"}, {"review_reason": "audit"})
        turn = desk.next("ana", ANA, everywhere)
        assert turn.prediction == audited
        assert turn.queue.waiting == 1

    def test_an_empty_log_gives_nothing(self, desk, everywhere):
        turn = desk.next("ana", ANA, everywhere)
        assert (turn.prediction, turn.queue.waiting, turn.queue.missing) == (None, 0, 0)

    def test_nobody_gets_what_somebody_else_looks_at(self, desk, put, everywhere):
        first, second = put({}, {})
        assert desk.next("ana", ANA, everywhere).prediction == first
        assert desk.next("ben", BEN, everywhere).prediction == second
        third = desk.next("ana", OTHER_TAB, everywhere)
        assert third.prediction is None
        assert third.queue.waiting == 2

    def test_a_desk_that_asks_again_gets_its_photo_again(self, desk, put, everywhere, clock):
        first, _second = put({}, {})
        desk.next("ana", ANA, everywhere)
        clock.move(minutes=9)
        assert desk.next("ana", ANA, everywhere).prediction == first
        clock.move(minutes=9)
        assert photo_of(desk.next("ben", BEN, everywhere)) != first.image_sha256

    def test_a_photo_that_nobody_answered_for_in_time_is_free_again(self, desk, put, everywhere, clock):
        (only,) = put({})
        desk.next("ana", ANA, everywhere)
        clock.move(minutes=9, seconds=59)
        assert desk.next("ben", BEN, everywhere).prediction is None
        clock.move(seconds=1)
        assert desk.next("ben", BEN, everywhere).prediction == only
        assert desk.next("ana", ANA, everywhere).prediction is None

    def test_copies_of_one_photo_are_shown_once(self, desk, put, everywhere, review_of):
        first, _copy, other = put({"image_sha256": "a" * 64}, {"image_sha256": "a" * 64}, {})
        assert desk.next("ana", ANA, everywhere).prediction == first
        turn = desk.next("ben", BEN, everywhere)
        assert turn.prediction == other
        assert turn.queue.waiting == 2
        desk.record(review_of("a" * 64, "onion"), ANA)
        assert desk.next("ana", ANA, everywhere).prediction is None

    def test_photos_whose_files_are_gone_are_passed_over_and_counted(self, desk, put, everywhere):
        gone, there = put({}, {})
        assert desk.next("ana", ANA, lambda photo: photo != gone.image_sha256).prediction == there
        turn = desk.next("ben", BEN, lambda photo: photo != gone.image_sha256)
        assert (turn.prediction, turn.queue) == (None, ReviewQueue(waiting=1, leased=1, missing=1))

    def test_of_a_shown_photo_the_queue_counts_neither_what_is_gone_nor_what_was_reviewed(
        self, desk, put, review_of, clock
    ):
        gone, reviewed, shown, _free = put({}, {}, {}, {})
        desk.record(review_of(reviewed.image_sha256, "onion"), ANA)

        def holds(photo):
            return photo != gone.image_sha256

        turn = desk.next("ana", ANA, holds)
        assert (turn.prediction, turn.queue) == (shown, ReviewQueue(waiting=2, leased=1, missing=1))
        assert desk.queue(holds) == turn.queue
        clock.move(minutes=10)
        assert desk.queue(holds) == ReviewQueue(waiting=2, leased=0, missing=1)
        assert desk.queue(always) == ReviewQueue(waiting=3, leased=0, missing=0)

    def test_a_file_that_vanishes_while_it_is_looked_at_does_not_hold_its_desk_up(self, desk, put, everywhere):
        gone, there = put({}, {})
        desk.next("ana", ANA, everywhere)
        assert desk.next("ana", ANA, lambda photo: photo != gone.image_sha256).prediction == there

    def test_at_one_desk_there_is_one_photo(self, desk, put, everywhere, review_of):
        first, second, _third = put({}, {}, {})
        skipped = review_of(first.image_sha256, "skip")
        desk.next("ana", ANA, everywhere)
        desk.record(skipped, ANA)
        desk.next("ana", ANA, everywhere)
        desk.undo(skipped.id, "ana", ANA, always)
        assert desk.next("ana", ANA, everywhere).prediction == first
        assert desk.next("ben", BEN, everywhere).prediction == second


class TestRecord:
    @pytest.mark.parametrize("label", ["onion", None])
    def test_what_was_reviewed_waits_no_longer(self, desk, put, everywhere, review_of, label):
        first, second = put({}, {})
        desk.next("ana", ANA, everywhere)
        desk.record(review_of(first.image_sha256, label), ANA)
        turn = desk.next("ana", ANA, everywhere)
        assert turn.prediction == second
        assert turn.queue.waiting == 1

    def test_what_one_skipped_is_for_others_and_comes_back_last(self, desk, put, everywhere, review_of):
        first, second = put({}, {})
        desk.next("ana", ANA, everywhere)
        desk.record(review_of(first.image_sha256, "skip"), ANA)
        assert desk.next("ben", BEN, everywhere).prediction == first
        assert desk.next("ana", ANA, everywhere).prediction == second
        desk.record(review_of(second.image_sha256, "onion"), ANA)
        assert desk.next("ana", ANA, everywhere).prediction is None
        desk.record(review_of(first.image_sha256, "skip", "ben"), BEN)
        turn = desk.next("ana", ANA, everywhere)
        assert turn.prediction == first
        assert turn.queue.waiting == 1

    def test_what_comes_twice_is_kept_once(self, desk, put, review_of, database):
        (only,) = put({})
        review = review_of(only.image_sha256, "onion")
        desk.record(review, ANA)
        desk.record(review, ANA)
        with database.reading() as connection:
            assert len(connection.execute(REVIEWS.select()).all()) == 1

    def test_a_label_that_comes_after_its_time_is_kept(self, desk, put, everywhere, review_of, clock, reviews):
        (only,) = put({})
        desk.next("ana", ANA, everywhere)
        clock.move(hours=1)
        desk.next("ben", BEN, everywhere)
        desk.record(review_of(only.image_sha256, "onion", "ana"), ANA)
        desk.record(review_of(only.image_sha256, "potato", "ben"), BEN)
        assert [(one.reviewer, one.label) for one in reviews.by_photo()[only.image_sha256]] == [
            ("ana", "onion"), ("ben", "potato"),
        ]  # fmt: skip

    def test_a_label_that_is_no_class_is_told_with_the_classes(self, desk, put, review_of, reviews):
        (only,) = put({})
        with pytest.raises(NoClass, match="'carrot' is no class of produce; its classes are onion, potato, tomato"):
            desk.record(review_of(only.image_sha256, "carrot"), ANA)
        assert reviews.by_photo() == {}

    @pytest.mark.parametrize("changes", [{"review_reason": None}, {"gate": "line 2"}])
    def test_a_photo_that_is_not_for_review_is_told(self, desk, put, review_of, changes):
        (other,) = put(changes)
        with pytest.raises(UnknownPhoto, match=f"{other.image_sha256}: no photo"):
            desk.record(review_of(other.image_sha256, "onion"), ANA)

    def test_all_or_none_is_kept(self, desk, put, review_of, reviews):
        (only,) = put({})
        with pytest.raises(UnknownPhoto):
            desk.record_all([review_of(only.image_sha256, "onion"), review_of("f" * 64, "onion")])
        assert reviews.by_photo() == {}


class TestUndo:
    @pytest.mark.parametrize("label", ["onion", None, "skip"])
    def test_the_photo_is_there_again(self, desk, put, everywhere, review_of, reviews, label):
        first, _second = put({}, {})
        desk.next("ana", ANA, everywhere)
        review = review_of(first.image_sha256, label)
        desk.record(review, ANA)
        desk.next("ana", ANA, everywhere)
        turn = desk.undo(review.id, "ana", ANA, always)
        assert turn.prediction == first
        assert turn.queue.waiting == 2
        assert reviews.by_photo() == {}
        assert photo_of(desk.next("ben", BEN, everywhere)) != first.image_sha256

    def test_what_was_said_before_counts_again(self, desk, put, review_of, reviews):
        (only,) = put({})
        desk.record(review_of(only.image_sha256, "onion"), ANA)
        mistake = review_of(only.image_sha256, "potato")
        desk.record(mistake, ANA)
        assert [one.label for one in reviews.by_photo()[only.image_sha256]] == ["potato"]
        desk.undo(mistake.id, "ana", ANA, always)
        assert [one.label for one in reviews.by_photo()[only.image_sha256]] == ["onion"]

    def test_twice_is_once(self, desk, put, review_of):
        (only,) = put({})
        review = review_of(only.image_sha256, "onion")
        desk.record(review, ANA)
        assert desk.undo(review.id, "ana", ANA, always) == desk.undo(review.id, "ana", ANA, always)

    def test_a_photo_that_somebody_else_has_by_now_stays_with_them(self, desk, put, everywhere, review_of):
        (only,) = put({})
        review = review_of(only.image_sha256, "skip")
        desk.record(review, ANA)
        desk.next("ben", BEN, everywhere)
        turn = desk.undo(review.id, "ana", ANA, always)
        assert (turn.prediction, turn.queue.waiting) == (None, 1)
        assert desk.next("ben", BEN, everywhere).prediction == only

    def test_a_photo_whose_file_is_gone_is_not_shown_again(self, desk, put, review_of, reviews):
        (only,) = put({})
        review = review_of(only.image_sha256, "onion")
        desk.record(review, ANA)
        turn = desk.undo(review.id, "ana", ANA, lambda _photo: False)
        assert (turn.prediction, turn.queue) == (None, ReviewQueue(waiting=0, leased=0, missing=1))
        assert reviews.by_photo() == {}

    def test_nobody_takes_back_what_others_said(self, desk, put, review_of, reviews):
        (only,) = put({})
        review = review_of(only.image_sha256, "onion", "ana")
        desk.record(review, ANA)
        for review_id in (review.id, uuid4()):
            with pytest.raises(UnknownReview):
                desk.undo(review_id, "ben", BEN, always)
        assert len(reviews.by_photo()) == 1


def test_a_review_that_comes_after_it_was_taken_back_does_not_stand(desk, put, review_of, reviews):
    (prediction,) = put({})
    late = review_of(prediction.image_sha256, "onion")
    with pytest.raises(UnknownReview):
        desk.undo(late.id, "ana", ANA, always)
    desk.record(late, ANA)
    assert reviews.by_photo() == {}
    assert desk.next("ana", ANA, lambda _photo: True).queue.waiting == 1


def test_many_at_once_never_get_the_same_photo(put, database_url, everywhere):
    put(*({} for _ in range(60)))
    shown, failed = [], []

    def sit(name):
        database = Database.open(database_url)
        desk = ReviewDesk(database, "produce", classes=("onion",), lease=timedelta(hours=1))
        try:
            for _ in range(10):
                shown.append(photo_of(desk.next(name, uuid4(), everywhere)))
        except Exception as error:
            failed.append(error)
        finally:
            database.close()

    people = [threading.Thread(target=sit, args=(f"person {number}",)) for number in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert failed == []
    assert len(set(shown)) == len(shown) == 60


def test_a_database_that_goes_away_is_told_and_what_was_said_can_be_said_again(
    postgres, make_prediction, everywhere, review_of
):
    from quality_gate.monitoring.prediction_log import PredictionLog
    from quality_gate.review.reading import Reviews

    database = Database.open(postgres.new_database())
    desk = ReviewDesk(database, "produce", classes=("onion",))
    prediction = make_prediction(review_reason="review")
    PredictionLog(database).write([prediction])
    review = review_of(prediction.image_sha256, "onion")
    postgres.stop()
    try:
        for ask in (
            lambda: desk.next("ana", ANA, everywhere),
            lambda: desk.record(review, ANA),
            lambda: desk.undo(review.id, "ana", ANA, always),
        ):
            with pytest.raises(LogUnavailable):
                ask()
    finally:
        postgres.start()
    desk.record(review, ANA)
    assert len(Reviews(database, "produce").by_photo()) == 1
    database.close()
