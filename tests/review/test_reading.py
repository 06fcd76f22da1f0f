from datetime import UTC, datetime, timedelta
from uuid import uuid4

from quality_gate.monitoring.prediction_log import Window

DESK = uuid4()


def test_every_answer_for_review_comes_with_what_was_said(desk, put, review_of, reviews):
    first, audited, unreviewed, _unseen = put({}, {"review_reason": "audit"}, {}, {"review_reason": None})
    said = [review_of(first.image_sha256, "onion"), review_of(audited.image_sha256, None, "ben")]
    for review in said:
        desk.record(review, DESK)
    found = [
        (prediction, [(one.label, one.reviewer, one.time) for one in given])
        for prediction, given in reviews.answers(Window())
    ]
    assert found == [
        (unreviewed, []),
        (audited, [(None, "ben", said[1].time)]),
        (first, [("onion", "ana", said[0].time)]),
    ]


def test_a_window_chooses_by_the_time_of_the_answer(desk, put, review_of, reviews):
    end = datetime(2026, 3, 5, tzinfo=UTC)
    made = put(*({"time": end - timedelta(hours=hours)} for hours in (1, 2, 3)))
    for one in made:
        desk.record(review_of(one.image_sha256, "onion"), DESK)
    found = reviews.answers(Window(hours=2, until=end), page_rows=1)
    assert [prediction for prediction, _ in found] == made[:2]
    assert len(list(reviews.answers(Window(photos=1)))) == 1


def test_of_one_reviewer_the_latest_counts_and_those_who_disagree_are_both_told(desk, put, review_of, reviews):
    (only,) = put({})
    for label, reviewer in (("onion", "ana"), ("tomato", "ben"), ("potato", "ana"), ("skip", "ana")):
        desk.record(review_of(only.image_sha256, label, reviewer), DESK)
    found = [(one.reviewer, one.label) for one in reviews.by_photo()[only.image_sha256]]
    assert found == [("ben", "tomato"), ("ana", "potato")]
    ((_, given),) = reviews.answers(Window())
    assert [(one.reviewer, one.label) for one in given] == found


def test_every_answer_to_a_photo_that_came_again_gets_its_reviews(desk, put, review_of, reviews):
    photo = {"image_sha256": "a" * 64}
    reviewed, again, unseen = put(photo, photo | {"review_reason": "audit"}, photo | {"review_reason": None})
    desk.record(review_of("a" * 64, "onion"), DESK)
    found = [(prediction, [one.label for one in given]) for prediction, given in reviews.answers(Window())]
    assert found == [(again, ["onion"]), (reviewed, ["onion"])]
    assert unseen not in [prediction for prediction, _ in found]


def test_other_gates_are_left_out(desk, put, review_of, reviews):
    (ours, _other) = put({}, {"gate": "line 2", "image_sha256": "b" * 64})
    desk.record(review_of(ours.image_sha256, "onion"), DESK)
    assert [prediction for prediction, _ in reviews.answers(Window(gate="line 2"))] == [ours]
    assert list(reviews.by_photo()) == [ours.image_sha256]


def test_photos_come_once_each_oldest_first(put, reviews):
    first, second, _copy = put({"image_sha256": "a" * 64}, {}, {"image_sha256": "a" * 64})
    assert list(reviews.photos()) == [first, second]
