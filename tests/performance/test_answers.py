from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from quality_gate.errors import UserError
from quality_gate.performance.answers import Volume, check_answers, check_labels, monday


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reason": "chance"}, "reason is 'chance'; expected review or audit"),
        ({"share": 0.0}, "share is 0.0; expected more than 0"),
        ({"share": 1.5}, "share is 1.5; expected more than 0, at most 1"),
        ({"reason": "review", "share": 0.5}, "and 1 where reason is review"),
        ({"label": "carrot"}, "label is 'carrot'; expected one of noise, onion, potato, tomato"),
        ({"time": datetime(2026, 3, 2)}, "expected a time with a time zone"),
        ({"reviewed_at": None}, "reviewed_at is None; expected a time"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_by_the_name_of_its_field(make_answer, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(make_answer("onion", [0.1, 0.7, 0.1, 0.1]), **changes)


def test_an_answer_is_right_when_the_person_said_the_same(make_answer):
    probabilities = [0.1, 0.7, 0.1, 0.1]
    assert make_answer("onion", probabilities).is_right
    assert not make_answer("potato", probabilities).is_right


@pytest.mark.parametrize("day", range(7))
def test_a_week_begins_on_monday(day):
    assert monday(datetime(2026, 3, 2, 12, tzinfo=UTC) + timedelta(days=day)) == date(2026, 3, 2)


def test_weeks_are_those_of_utc():
    sydney = timezone(timedelta(hours=11))
    assert monday(datetime(2026, 3, 9, 8, tzinfo=sydney)) == date(2026, 3, 2)


def test_volumes_add_up():
    assert Volume(10, 1) + Volume(5, 2) == Volume(15, 3)
    assert (Volume(15, 3).of("audit"), Volume(15, 3).of("review")) == (15, 3)


def test_a_label_that_is_no_class_is_told_with_its_number_and_the_first_answer(make_answer):
    said = ["onion", "onoin", None, "carrot", "onoin"]
    answers = [make_answer(label, [0.1, 0.7, 0.1, 0.1], number=number) for number, label in enumerate(said)]
    with pytest.raises(UserError) as caught:
        check_labels(answers, ("noise", "onion"))
    assert caught.value.message == (
        "3 reviewed labels are no class of the model ('onoin' (2), 'carrot' (1); the first is of the answer answer 1); "
        "expected noise, onion: correct them in the review, or leave these photos out."
    )


def test_labels_of_the_model_and_missing_ones_pass(make_answer):
    check_labels([make_answer(label, [0.1, 0.7, 0.1, 0.1]) for label in ("onion", None)], ("noise", "onion"))


def test_answers_of_a_model_of_other_classes_are_told_with_these(make_answer):
    answers = [make_answer("onion", [0.1, 0.7, 0.1, 0.1], number=number) for number in range(2)]
    check_answers(answers, ("tomato", "potato", "onion", "noise"))
    with pytest.raises(UserError) as caught:
        check_answers(answers, ("leek", "onion"))
    assert caught.value.message == (
        "2 answers of version 1 in the prediction log are of another model (its classes are noise, onion, potato, "
        "tomato; expected leek, onion): another installation may write into the same log under the same name, or the "
        "gate was begun anew; give it another `name:`."
    )
