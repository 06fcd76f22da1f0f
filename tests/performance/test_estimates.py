from dataclasses import replace

import numpy as np
import pytest

from quality_gate.performance.answers import Volume
from quality_gate.performance.estimates import answer_weights, estimate


@pytest.fixture
def some(make_answer):
    """Makes so many answers of one kind."""

    def make(count, truth="onion", *, accepted, label="onion", share=0.1, second="potato"):
        row = {"noise": 0.02, "onion": 0.04, "potato": 0.04, "tomato": 0.04} | {second: 0.08}
        row[label] = 1 - sum(value for name, value in row.items() if name != label)
        return [make_answer(truth, list(row.values()), accepted, share) for _ in range(count)]

    return make


def estimates(answers, volume, classes, *, seed=0, resamples=400):
    return estimate(answers, volume, classes, resamples=resamples, seed=seed)


def test_the_weights_of_either_kind_add_up_to_the_answers_given(some):
    answers = some(4, accepted=True) + some(3, accepted=False)
    weights = answer_weights(answers, Volume(accepted=400, to_review=6))
    np.testing.assert_allclose(weights, [100] * 4 + [2] * 3)


def test_an_answer_less_likely_to_be_audited_stands_for_more(some):
    answers = some(1, accepted=True, share=0.1) + some(1, accepted=True, share=0.02)
    np.testing.assert_allclose(answer_weights(answers, Volume(600, 0)), [100, 500])


def test_where_the_log_lags_behind_labelled_answers_stand_for_themselves(some):
    np.testing.assert_allclose(answer_weights(some(3, accepted=False), Volume(0, 1)), [1, 1, 1])


def test_accuracy_weighs_the_few_audited_answers_up(some, classes):
    # 10 of 1,000 accepted answers were audited, one wrong; all 100 of the others, half of them wrong.
    answers = some(9, accepted=True) + some(1, "potato", accepted=True)
    answers += some(50, accepted=False) + some(50, "tomato", accepted=False)
    found = estimates(answers, Volume(1000, 100), classes)
    assert found.scores["accuracy"].value == pytest.approx((900 + 50) / 1100)
    assert found.precision[1].value == pytest.approx((900 + 50) / 1100)
    assert found.recall[1].value == 1
    assert found.recall[2].value == found.recall[3].value == 0
    assert found.accepted_error.value == pytest.approx(0.1)


def test_the_estimate_of_a_known_production_is_unbiased(production, classes):
    rng = np.random.default_rng(3)
    truth, probabilities = production.draw(200_000, rng)
    right = probabilities.argmax(axis=1) == truth
    weeks = [production.week(2_000, 0.05, rng) for _ in range(60)]
    found = [estimates(*week, classes, resamples=1).scores["accuracy"].value for week in weeks]
    naive = np.mean([np.mean([answer.is_right for answer in answers]) for answers, _ in weeks])
    assert np.mean(found) == pytest.approx(right.mean(), abs=4 * np.std(found) / np.sqrt(len(found)))
    assert naive < right.mean() - 0.1


def test_audited_answers_without_an_error_prove_no_perfection(some, classes):
    found = estimates(some(30, accepted=True) + some(30, accepted=False), Volume(3000, 30), classes)
    for figure in (found.scores["accuracy"], found.precision[1], found.accepted_error):
        one_minus = 1 - figure.value if figure is found.accepted_error else figure.value
        assert one_minus == 1
    assert 0.85 < found.scores["accuracy"].interval.low < 0.97
    assert found.scores["accuracy"].interval.high == 1
    assert 0.85 < found.precision[1].interval.low < 0.97
    assert 0.05 < found.accepted_error.interval.high < 0.15


def test_more_audits_tell_more(some, classes):
    few, many = (
        estimates(some(9 * size, accepted=True) + some(size, "potato", accepted=True), Volume(9000, 0), classes)
        for size in (4, 40)
    )
    assert few.scores["accuracy"].value == many.scores["accuracy"].value
    widths = [each.scores["accuracy"].interval for each in (few, many)]
    assert widths[1].high - widths[1].low < (widths[0].high - widths[0].low) / 2


def test_every_interval_holds_its_estimate(production, classes):
    found = estimates(*production.week(2_000, 0.02, np.random.default_rng(5)), classes)
    for each in (*found.scores.values(), *found.precision, *found.recall, found.accepted_error):
        assert each.interval.low <= each.value <= each.interval.high


def test_the_same_labels_in_another_order_of_kinds_give_the_same_estimate(some, classes):
    audited, reviewed = some(20, accepted=True), some(20, "potato", accepted=False)
    values = [
        {name: each.value for name, each in estimates(answers, Volume(400, 20), classes).scores.items()}
        for answers in (audited + reviewed, reviewed + audited)
    ]
    assert values[0] == pytest.approx(values[1])


def test_without_an_audited_answer_nothing_is_said_of_the_accepted(some, classes):
    assert estimates(some(3, accepted=False), Volume(0, 3), classes).accepted_error is None


def test_a_calibrated_model_has_a_calibration_error_of_0_in_its_interval(production, classes):
    answers, volume = production.week(5_000, 0.02, np.random.default_rng(6))
    assert estimates(answers, volume, classes).scores["ece"].interval.low == 0


def test_an_overconfident_model_is_found_out(production, classes):
    sure = replace(production, sharpness=12.0, signal=1.5)
    answers, volume = sure.week(20_000, 0.02, np.random.default_rng(7))
    assert estimates(answers, volume, classes).scores["ece"].interval.low > 0.05
