import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from quality_gate.evaluation.bootstrap import (
    Interval,
    group_weights,
    metric_intervals,
    paired_difference,
    percentile_interval,
    recall_interval,
    unbiased_interval,
)
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.inference import softmax

CLASSES = ("noise", "onion", "potato")
group_lists = st.lists(st.integers(0, 6), min_size=1, max_size=30).map(np.array)
seeds = st.integers(0, 2**32 - 1)


def good_answers(seed, photos=150, margin=2.5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=photos)
    logits = rng.normal(size=(photos, 3))
    logits[np.arange(photos), labels] += margin
    return labels, softmax(logits), np.arange(photos) // 2


@settings(deadline=None, max_examples=30)
@given(group_lists, seeds)
def test_a_resample_draws_as_many_whole_groups_as_there_are(groups, seed):
    weights = group_weights(groups, 5, seed)
    names, first = np.unique(groups, return_index=True)
    assert weights.shape == (5, len(groups))
    for name, index in zip(names, first, strict=True):
        np.testing.assert_array_equal(weights[:, groups == name], weights[:, [index]].repeat((groups == name).sum(), 1))
    np.testing.assert_array_equal(weights[:, first].sum(axis=1), len(names))
    np.testing.assert_array_equal(weights, weights.round())
    assert (weights >= 0).all()


@settings(deadline=None, max_examples=20)
@given(group_lists, seeds)
def test_the_weights_belong_to_the_photos_whatever_their_order(groups, seed):
    order = np.random.default_rng(seed).permutation(len(groups))
    np.testing.assert_array_equal(group_weights(groups[order], 4, seed), group_weights(groups, 4, seed)[:, order])
    named = np.array([f"group {group}" for group in groups])
    np.testing.assert_array_equal(group_weights(named, 4, seed), group_weights(groups, 4, seed))


def test_every_group_is_drawn_once_on_average_and_seeds_differ():
    groups = np.repeat(np.arange(8), 2)
    weights = group_weights(groups, 4000, seed=1)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.06)
    # Drawn with replacement: multinomial counts have variance 1 − 1/groups.
    np.testing.assert_allclose(weights.var(axis=0), 7 / 8, atol=0.1)
    assert (weights != group_weights(groups, 4000, seed=2)).any()


def test_the_size_of_a_block_does_not_change_what_is_drawn(monkeypatch):
    groups = np.arange(20) // 3
    at_once = group_weights(groups, 9, seed=5)
    monkeypatch.setattr("quality_gate.evaluation.bootstrap._CELLS_AT_ONCE", 50)
    np.testing.assert_array_equal(group_weights(groups, 9, seed=5), at_once)
    np.testing.assert_array_equal(group_weights(groups, 4, seed=5), at_once[:4])


@pytest.mark.parametrize(("groups", "resamples"), [([], 5), ([[1]], 5), ([1], 0)])
def test_impossible_resampling_is_refused(groups, resamples):
    with pytest.raises(ValueError, match="expected"):
        group_weights(np.array(groups), resamples, 0)


def test_an_interval_leaves_equal_shares_outside_and_ignores_what_is_undefined():
    samples = np.append(np.arange(101.0), [np.nan] * 50)
    assert percentile_interval(samples, level=0.9) == Interval(pytest.approx(5), pytest.approx(95))


def test_the_interval_of_what_is_never_defined_is_undefined_and_null_in_json():
    interval = percentile_interval(np.full(3, np.nan))
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.to_json() == {"low": None, "high": None}
    assert math.isnan(Interval.from_json(interval.to_json()).low)


def test_an_interval_survives_the_way_through_json():
    interval = Interval(0.1, 1 / 3)
    assert Interval.from_json(json.loads(json.dumps(interval.to_json()))) == interval


@pytest.mark.parametrize("level", [0, 1, -0.5, math.nan])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        percentile_interval(np.arange(3.0), level)


@pytest.mark.parametrize("samples", [np.empty(0), np.zeros((2, 2))])
def test_samples_of_another_shape_are_refused(samples):
    with pytest.raises(ValueError, match="samples"):
        percentile_interval(samples)


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_intervals_contain_the_values_measured(seed):
    labels, probabilities, groups = good_answers(seed)
    metrics = compute_metrics(labels, probabilities, CLASSES)
    intervals = metric_intervals(labels, probabilities, CLASSES, groups, resamples=200, seed=1)
    assert set(intervals) == {*metrics.scalars(), *(f"recall:{name}" for name in CLASSES)}
    for name, value in metrics.scalars().items():
        assert intervals[name].low <= value <= intervals[name].high, name
    for name in CLASSES:
        assert intervals[f"recall:{name}"].low <= metrics.per_class[name].recall <= intervals[f"recall:{name}"].high


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.data())
def test_a_recall_of_single_photos_has_the_interval_of_clopper_and_pearson(photos, data):
    right = data.draw(st.integers(0, photos))
    found = recall_interval(right / photos, np.ones(photos, dtype=int))
    expected = binomtest(right, photos).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_photos_of_a_group_are_worth_one_photo_where_all_groups_are_equal_and_less_where_they_are_not():
    ten = recall_interval(0.9, np.ones(10, dtype=int))
    copied = recall_interval(0.9, np.full(10, 4))
    uneven = recall_interval(0.9, np.array([31, *[1] * 9]))
    assert (copied.low, copied.high) == pytest.approx((ten.low, ten.high))
    assert uneven.low < ten.low


def test_a_class_without_an_error_has_not_proven_that_it_never_errs():
    assert recall_interval(1.0, np.ones(36, dtype=int)) == Interval(pytest.approx(0.025 ** (1 / 36)), 1.0)
    assert recall_interval(0.0, np.ones(36, dtype=int)).low == 0


def test_what_noise_can_only_raise_has_a_lower_end_without_the_noise():
    samples = np.linspace(0.02, 0.06, 1001)
    assert unbiased_interval(0.035, samples) == Interval(pytest.approx(0.011), pytest.approx(0.059))
    assert unbiased_interval(0.02, samples).low == 0
    # No end is on the wrong side of the value.
    assert unbiased_interval(0.07, samples) == Interval(0.07, 0.07)


def test_near_duplicates_do_not_narrow_an_interval():
    labels, probabilities, _ = good_answers(1, photos=60)
    photos = np.arange(60)
    alone = metric_intervals(labels, probabilities, CLASSES, photos, resamples=100, seed=3)
    copies = [np.tile(each, (4, *[1] * (each.ndim - 1))).reshape(-1, *each.shape[1:]) for each in (labels, photos)]
    copied = metric_intervals(copies[0], np.tile(probabilities, (4, 1)), CLASSES, copies[1], resamples=100, seed=3)
    for name, interval in alone.items():
        assert (copied[name].low, copied[name].high) == pytest.approx((interval.low, interval.high)), name


def test_the_recall_of_a_class_without_photos_has_no_interval():
    labels, probabilities = np.array([0, 1, 1]), np.eye(3)[[0, 1, 0]]
    intervals = metric_intervals(labels, probabilities, CLASSES, np.arange(3), resamples=20, seed=0)
    assert math.isnan(intervals["recall:potato"].low)
    assert not math.isnan(intervals["recall:onion"].low)


def test_intervals_without_a_name_for_each_class_are_refused():
    labels, probabilities, groups = good_answers(0, photos=10)
    with pytest.raises(ValueError, match="classes"):
        metric_intervals(labels, probabilities, ("a", "b"), groups, resamples=10, seed=0)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_a_model_does_not_differ_from_itself(seed):
    labels, probabilities, groups = good_answers(seed, photos=30)
    difference = paired_difference(labels, probabilities, probabilities, groups, resamples=50, seed=seed)
    assert (difference.estimate, difference.interval, difference.lower_bound) == (0, Interval(0, 0), 0)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_a_difference_changes_sign_with_the_order_of_the_models(seed):
    labels, candidate, groups = good_answers(seed, photos=40)
    champion = good_answers(seed + 1, photos=40)[1]
    there = paired_difference(labels, candidate, champion, groups, resamples=50, seed=2)
    back = paired_difference(labels, champion, candidate, groups, resamples=50, seed=2)
    assert there.estimate == pytest.approx(-back.estimate)
    assert (there.interval.low, there.interval.high) == pytest.approx((-back.interval.high, -back.interval.low))


def test_a_better_candidate_is_known_to_be_better_and_a_stricter_level_is_more_careful():
    labels, candidate, groups = good_answers(4, margin=4)
    champion = good_answers(4, margin=1)[1]
    bounds = [
        paired_difference(labels, candidate, champion, groups, resamples=300, seed=2, level=level)
        for level in (0.8, 0.95, 0.99)
    ]
    expected = (
        compute_metrics(labels, candidate, CLASSES).macro_f1 - compute_metrics(labels, champion, CLASSES).macro_f1
    )
    assert bounds[0].estimate == pytest.approx(expected)
    assert bounds[0].lower_bound > bounds[1].lower_bound > bounds[2].lower_bound > 0
    assert bounds[1].interval.low < bounds[1].lower_bound < expected < bounds[1].interval.high


def test_pairing_knows_the_difference_better_than_two_separate_intervals():
    labels, candidate, groups = good_answers(4, margin=2)
    champion = candidate.copy()
    champion[0] = np.eye(3)[(labels[0] + 1) % 3]
    paired = paired_difference(labels, candidate, champion, groups, resamples=300, seed=2).interval
    alone = metric_intervals(labels, candidate, CLASSES, groups, resamples=300, seed=2)["macro_f1"]
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_models_of_other_classes_are_not_compared():
    labels = np.array([0, 1])
    with pytest.raises(ValueError, match="champion"):
        paired_difference(labels, np.full((2, 2), 0.5), np.full((2, 4), 0.25), labels, resamples=10, seed=0)
