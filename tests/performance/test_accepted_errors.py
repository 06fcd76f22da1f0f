import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.performance.accepted_errors import accepted_errors, log_wealth, power

START = datetime(2026, 3, 2, tzinfo=UTC)
RIGHT, WRONG = [0, 1, 0, 0], [0, 0, 1, 0]


def evidence(wrong, alpha):
    return np.array([values[0] for values in log_wealth(np.array(wrong, dtype=bool)[:, None], alpha)])


@pytest.fixture
def audited(make_answer):
    """Answers of a model to photos of onions, wrong where told so, a minute apart."""

    def make(wrong, version="1"):
        return [
            make_answer("onion", WRONG if each else RIGHT, version=version, time=START + timedelta(minutes=number))
            for number, each in enumerate(wrong)
        ]

    return make


@given(st.lists(st.booleans(), max_size=60), st.floats(0.01, 0.5))
def test_the_wealth_after_one_more_answer_is_on_average_what_it_was(before, alpha):
    now = evidence(before, alpha)[-1] if before else 0.0
    then = [evidence([*before, wrong], alpha)[-1] for wrong in (True, False)]
    assert alpha * math.exp(then[0]) + (1 - alpha) * math.exp(then[1]) == pytest.approx(math.exp(now), rel=1e-9)


@given(st.lists(st.booleans(), max_size=60), st.floats(0.01, 0.5))
def test_an_error_speaks_against_the_promise_and_a_right_answer_for_it(before, alpha):
    now = evidence(before, alpha)[-1] if before else 0.0
    then = [evidence([*before, wrong], alpha)[-1] for wrong in (True, False)]
    assert then[0] > now > then[1]


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("false_alarm_rate", [0.01, 0.05])
def test_a_kept_promise_is_never_called_broken_more_often_than_configured(alpha, false_alarm_rate):
    runs, rng = 4000, np.random.default_rng(1)
    highest = np.full(runs, -np.inf)
    # Just kept, the hardest case: asked after each of 3,000 answers.
    for values in log_wealth((rng.random(runs) < alpha for _ in range(3000)), alpha):
        highest = np.maximum(highest, values)
    alarms = (highest >= -math.log(false_alarm_rate)).mean()
    assert alarms <= false_alarm_rate + 3 * math.sqrt(false_alarm_rate / runs)


@pytest.mark.slow
def test_a_promise_kept_by_turns_of_good_and_just_good_enough_is_not_called_broken():
    runs, rng, alpha = 4000, np.random.default_rng(2), 0.05
    highest = np.full(runs, -np.inf)
    steps = (rng.random(runs) < (alpha if step // 100 % 2 else 0.0) for step in range(2000))
    for values in log_wealth(steps, alpha):
        highest = np.maximum(highest, values)
    assert (highest >= math.log(100)).mean() <= 0.01 + 3 * 0.1 / math.sqrt(runs)


def test_twice_the_promised_errors_are_noticed():
    found = power(0.05, 0.01, 0.10)
    assert 100 < found.half < 300 < found.nine_in_ten < 600


def test_worse_is_noticed_sooner_and_a_stricter_alarm_later():
    assert power(0.05, 0.01, 0.3).half < power(0.05, 0.01, 0.15).half < power(0.05, 0.001, 0.15).half


def test_after_a_long_good_time_it_takes_longer_but_not_for_ever():
    after = power(0.05, 0.01, 0.15, before=1000)
    assert power(0.05, 0.01, 0.15).half < after.half < 250


def test_what_is_not_noticed_has_no_number():
    assert power(0.05, 0.01, 0.01, runs=20, most=50).half is None


def test_the_alarm_stays_once_it_was_raised(audited):
    found = accepted_errors(audited([True] * 8 + [False] * 200), "1", alpha=0.05, false_alarm_rate=0.01)
    assert 2 <= found.raised_after <= 8
    assert found.log_evidence[-1] < found.log_threshold


def test_a_promise_that_is_kept_raises_nothing(audited):
    found = accepted_errors(audited([False] * 50), "1", alpha=0.05, false_alarm_rate=0.01)
    assert found.raised_after is None
    assert len(found.times) == len(found.wrong) == len(found.log_evidence) == 50


def test_a_new_model_begins_anew(audited):
    answers = audited([True] * 10, "1") + audited([False] * 5, "2")
    old, new = (accepted_errors(answers, version, alpha=0.05, false_alarm_rate=0.01) for version in ("1", "2"))
    assert old.raised_after is not None
    assert new.raised_after is None
    assert len(new.wrong) == 5


def test_only_labels_of_accepted_answers_count(make_answer):
    answers = [make_answer("onion", WRONG, accepted=False), make_answer(None, WRONG), make_answer("onion", RIGHT)]
    assert accepted_errors(answers, "1", alpha=0.05, false_alarm_rate=0.01).wrong.tolist() == [False]


def test_labels_count_in_the_order_in_which_they_were_given(audited):
    answers = audited([True, False, False])
    late = replace(answers[0], reviewed_at=answers[0].time + timedelta(hours=1))
    found = accepted_errors([late, *answers[1:]], "1", alpha=0.05, false_alarm_rate=0.01)
    assert found.wrong.tolist() == [False, False, True]


def test_without_a_label_there_is_no_evidence():
    found = accepted_errors([], "1", alpha=0.05, false_alarm_rate=0.01)
    assert found.log_evidence.shape == (0,)
    assert found.raised_after is None


@pytest.mark.parametrize("rates", [{"alpha": 0.0}, {"alpha": 1.0}, {"false_alarm_rate": 0.0}])
def test_a_rate_that_is_none_is_refused(rates):
    with pytest.raises(ValueError, match=next(iter(rates))):
        accepted_errors([], "1", **{"alpha": 0.05, "false_alarm_rate": 0.01} | rates)
