import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.drift.resampling import ENOUGH_AS_LARGE, holm, resampled_p


def is_window(before, now):
    return np.arange(before + now) >= before


class Calls:
    """A statistic of fixed values: first the observed one, then those of the choices."""

    def __init__(self, observed, others):
        self.values, self.others = [observed], others

    def __call__(self, chosen):
        if self.values:
            return np.array([self.values.pop()])
        taken, self.others = self.others[: len(chosen)], self.others[len(chosen) :]
        return np.array(taken)


def test_what_no_choice_reaches_has_the_smallest_p_value_there_is():
    found = resampled_p(Calls(2.0, [1.0] * 199), is_window(5, 5), resamples=199, random=np.random.default_rng(0))
    assert (found.p_value, found.draws) == (1 / 200, 199)


def test_the_share_of_choices_as_large_is_the_p_value():
    others = [3.0] * 9 + [1.0] * 190
    found = resampled_p(Calls(2.0, others), is_window(5, 5), resamples=199, random=np.random.default_rng(0))
    assert found.p_value == 10 / 200


def test_it_ends_at_the_choice_that_is_enough():
    others = ([1.0] * 4 + [2.0]) * 2000
    found = resampled_p(Calls(2.0, others), is_window(5, 5), resamples=9999, random=np.random.default_rng(0))
    assert found.draws == 5 * ENOUGH_AS_LARGE
    assert found.p_value == 1 / 5


def test_a_choice_has_as_many_photos_as_the_window():
    seen = []

    def statistic(chosen):
        seen.extend(chosen.sum(axis=1))
        return np.zeros(len(chosen))

    resampled_p(statistic, is_window(7, 3), resamples=50, random=np.random.default_rng(0))
    assert set(seen) == {3}


def test_under_no_drift_a_p_value_is_below_any_limit_as_often_as_that_says():
    random = np.random.default_rng(1)
    p_values = []
    for _ in range(400):
        values = random.normal(size=60)
        p_values.append(
            resampled_p(
                lambda chosen, values=values: np.abs(chosen @ values), is_window(40, 20), resamples=199, random=random
            ).p_value
        )
    for limit in (0.05, 0.2, 0.5):
        share = np.mean(np.array(p_values) <= limit)
        assert share == pytest.approx(limit, abs=4 * np.sqrt(limit * (1 - limit) / 400))


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=6))
def test_holm_multiplies_the_smallest_by_their_number_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    smallest = min(p_values, key=p_values.get)
    assert adjusted[smallest] == min(1.0, len(p_values) * p_values[smallest])
    assert list(adjusted) == list(p_values)
    for one in p_values:
        assert p_values[one] <= adjusted[one] <= 1
        for other in p_values:
            if p_values[one] <= p_values[other]:
                assert adjusted[one] <= adjusted[other]
