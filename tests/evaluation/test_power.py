from dataclasses import replace
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.evaluation.bootstrap import Interval, PairedDifference
from quality_gate.evaluation.power import MOST_REFUSED, SPREAD_BETWEEN_SEEDS, DuelPower, duel_power, standard_error
from quality_gate.evaluation.scores import ChampionComparison

CLASSES = ("onion", "potato", "tomato")
ONE_OF_TWENTY = 1 / (2 * 3 * 20)  # what one photo of the fixtures' smallest class moves

errors = st.floats(1e-4, 0.2)
margins = st.floats(0.001, 0.3)


def power(standard_error, margin, photos=700, observed=True):
    return DuelPower(standard_error, margin, photos, observed)


def duel(make_scores, interval):
    return ChampionComparison("3", CLASSES, make_scores(), PairedDifference(0.0, interval, interval.low))


def test_a_candidate_worse_by_the_margin_is_accepted_at_the_level_of_the_bound():
    assert power(0.02, 0.04).accepted(-0.04) == pytest.approx(0.05)
    # Φ(0.04 / 0.02 − 1.645)
    assert power(0.02, 0.04).accepted(0.0) == pytest.approx(0.6388, abs=1e-4)


@settings(deadline=None)
@given(errors, margins)
def test_the_ways_out_lead_to_nine_of_ten(scatter, margin):
    found = power(scatter, margin)
    assert found.accepted(found.better_needed) == pytest.approx(1 - MOST_REFUSED)
    assert power(scatter, found.margin_needed).equal_refused == pytest.approx(MOST_REFUSED)
    less = scatter * (700 / found.photos_needed) ** 0.5
    assert power(less, margin).equal_refused == pytest.approx(MOST_REFUSED)


@settings(deadline=None)
@given(errors, margins)
def test_there_is_a_warning_exactly_where_an_equal_model_is_refused_too_often(scatter, margin):
    found = power(scatter, margin)
    assert bool(found.warning()) == (found.equal_refused > MOST_REFUSED)


def test_the_warning_says_how_bad_it_is_and_both_ways_out():
    assert power(0.025, 0.045, 200).warning() == (
        "a model as good as the champion is refused in about 44 of 100 duels on 200 test photos, and only one better "
        "by 0.028 macro F1 is accepted in 90; test on about 530 photos or widen gate.non_inferiority_margin to 0.074"
    )


def test_without_a_champion_the_warning_speaks_of_the_next_duel():
    warning = power(0.025, 0.045, 200, observed=False).warning()
    assert warning.startswith("once there is a champion to compare with, a model as good as the champion is refused")


def test_no_number_of_photos_is_enough_for_a_margin_of_nothing():
    warning = power(0.02, 0.0).warning()
    assert "refused in about 95 of 100" in warning
    assert "accepted in 90; widen gate.non_inferiority_margin to 0.059" in warning


def test_the_scatter_is_that_of_the_duel_and_of_one_photo_of_the_smallest_class(make_evaluation, make_scores):
    evaluation = make_evaluation(champion=duel(make_scores, Interval(-0.05, 0.05)))
    found = duel_power(evaluation, 0.045)
    assert found.standard_error == pytest.approx((0.02551**2 + ONE_OF_TWENTY**2) ** 0.5, abs=1e-5)
    assert (found.test_photos, found.margin, found.observed) == (60, 0.045, True)


def test_two_models_that_agree_on_a_handful_of_photos_are_not_known_to_be_equal(make_evaluation, make_scores):
    evaluation = make_evaluation(champion=duel(make_scores, Interval(0.0, 0.0)))
    assert duel_power(evaluation, 0.045).standard_error == pytest.approx(ONE_OF_TWENTY)
    assert duel_power(evaluation, 0.01).warning()


@pytest.mark.parametrize("champion", [None, ChampionComparison("3", ("apple",), None, None)])
def test_before_a_duel_the_scatter_is_expected_from_that_of_the_candidate(make_evaluation, make_scores, champion):
    scores = make_scores()
    scores = replace(scores, intervals={**scores.intervals, "macro_f1": Interval(0.85, 0.95)})
    found = duel_power(make_evaluation(candidate=scores, champion=champion), 0.045)
    expected = SPREAD_BETWEEN_SEEDS * standard_error(Interval(0.85, 0.95))
    assert found.standard_error == pytest.approx((expected**2 + ONE_OF_TWENTY**2) ** 0.5)
    assert not found.observed


def test_an_undefined_scatter_says_nothing(make_evaluation, make_scores):
    assert duel_power(make_evaluation(champion=duel(make_scores, Interval(nan, nan))), 0.045) is None
