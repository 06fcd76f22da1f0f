import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.errors import UserError
from quality_gate.evaluation.cross_validation import corrected_interval, cross_validate
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.evaluation.scores import CrossValidation
from quality_gate.settings import CrossValidationSettings, SplitSettings

FOLDS = CrossValidationSettings(folds=3, repeats=2)


@pytest.fixture(scope="module")
def photos(make_photos):
    """36 photos of three classes, of which every two neighbours of a class are near-duplicates."""
    return make_photos(36, groups=[number // 6 * 3 + number % 3 for number in range(36)])


@pytest.fixture
def validate(photos, reporter):
    def run(methods, chosen=FOLDS, on=photos):
        return cross_validate(on, methods, chosen, SplitSettings(), resamples=50, seed=4, reporter=reporter)

    return run


def knowing(share):
    """A method that knows the class of a share of the photos, by their names, and takes the others for the next."""

    def answer(parts):
        right = np.array([int(name.split()[-1]) % 10 < 10 * share for name in parts.test.image_ids])
        said = np.where(right, parts.test.labels, (parts.test.labels + 1) % 3)
        return np.where(np.arange(3) == said[:, None], 0.8, 0.1)

    return answer


def test_every_photo_is_tested_once_a_repeat_and_never_beside_its_near_duplicates(validate, photos, reporter):
    tested, seen = Counter(), []

    def method(parts):
        every = (parts.train, parts.validation, parts.calibration, parts.test)
        groups = [set(part.groups.tolist()) for part in every]
        assert sum(map(len, groups)) == len(set().union(*groups))
        assert sum(map(len, every)) == len(photos)
        assert set(parts.train.labels.tolist()) == set(parts.test.labels.tolist()) == {0, 1, 2}
        assert all(map(len, every))
        tested.update(parts.test.image_ids)
        seen.append(parts.test.image_ids)
        return knowing(1)(parts)

    result = validate({"candidate": method})
    assert set(tested.values()) == {2}
    assert set(tested) == set(photos.image_ids)
    assert seen[:3] != seen[3:]
    assert (result.folds, result.repeats, result.photos) == (3, 2, 36)
    assert reporter.moves["folds of the cross-validation"][-1] == (6, 6)


def test_the_figures_are_those_of_all_answers_together(validate, photos):
    found = validate({"candidate": knowing(0.7)}).candidate
    right = np.arange(36) % 10 < 7
    said = np.where(right, photos.labels, (photos.labels + 1) % 3)
    answers = np.where(np.arange(3) == said[:, None], 0.8, 0.1)
    expected = compute_metrics(photos.labels, answers, photos.classes)
    for figure in ("macro_f1", "brier", "ece", "accuracy"):
        assert found.metrics.scalars()[figure] == pytest.approx(expected.scalars()[figure])
    assert found.metrics.per_class["onion"].recall == expected.per_class["onion"].recall
    assert set(found.intervals) == {"macro_f1", "brier", "ece", *(f"recall:{name}" for name in photos.classes)}
    for name, interval in found.intervals.items():
        figure = getattr(found.metrics, name, None) or found.metrics.per_class[name.partition(":")[2]].recall
        assert 0 <= interval.low <= figure <= interval.high


def test_a_method_is_held_against_a_baseline_on_the_same_folds(validate):
    result = validate({"candidate": knowing(0.9), "histogram": knowing(0.9), "scratch": knowing(0.4)})
    assert result.margins["histogram"].estimate == 0
    assert (result.margins["histogram"].interval.low, result.margins["histogram"].interval.high) == (0, 0)
    better = result.margins["scratch"]
    expected = result.candidate.metrics.macro_f1 - result.scores["scratch"].metrics.macro_f1
    assert better.estimate == pytest.approx(expected)
    assert better.interval.low < better.estimate < better.interval.high


def test_the_same_seed_gives_the_same_figures_and_they_survive_the_file(validate):
    first, second = (validate({"candidate": knowing(0.7), "scratch": knowing(0.4)}) for _ in range(2))
    assert first == second
    assert CrossValidation.from_json(json.loads(json.dumps(first.to_json()))) == first


def test_a_class_with_too_few_groups_for_the_folds_is_named(validate):
    with pytest.raises(UserError, match=r"folds is 4: class onion has 6 groups .* expected at least 8"):
        validate({"candidate": knowing(1)}, CrossValidationSettings(folds=4, repeats=1))


def test_shares_that_leave_nothing_to_learn_from_are_named(reporter, make_photos):
    few, shares = make_photos(12), SplitSettings(validation_share=0.3, calibration_share=0.3)
    with pytest.raises(UserError, match=r"a fold leaves no photo of class \w+ to learn from"):
        cross_validate(
            few, {"candidate": knowing(1)}, CrossValidationSettings(folds=2), shares, resamples=50, seed=4,
            reporter=reporter,
        )  # fmt: skip


def test_the_interval_is_that_of_nadeau_and_bengio():
    samples = np.array([0.7, 0.8, 0.9, 0.8, 0.8])
    interval = corrected_interval(0.8, samples, 0.25)
    reach = 2.7764451 * math.sqrt((1 / 5 + 0.25) * samples.var(ddof=1))
    assert (interval.low, interval.high) == (pytest.approx(0.8 - reach), pytest.approx(0.8 + reach))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 1000), count=st.integers(2, 40), ratio=st.floats(0.01, 1))
def test_more_repeats_of_the_same_photos_never_make_the_interval_as_narrow_as_if_they_were_new(seed, count, ratio):
    samples = np.random.default_rng(seed).random(count)
    interval, more = (corrected_interval(0.5, np.tile(samples, times), ratio) for times in (1, 50))
    error = math.sqrt(ratio * np.var(samples))
    assert more.high - more.low >= 2 * 1.95 * error
    assert interval.high - interval.low >= more.high - more.low


def test_the_correction_covers_the_truth_where_folds_share_what_they_learn_from():
    # Photos whose answers are right with a chance of 0.8; the folds of every repeat test the same photos again.
    held = naive = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        right = rng.random(60) < 0.8
        folds = np.concatenate([right[rng.permutation(60)].reshape(5, 12).mean(axis=1) for _ in range(5)])
        for ratio, name in ((0.25, "held"), (1e-9, "naive")):
            interval = corrected_interval(float(right.mean()), folds, ratio)
            inside = interval.low <= 0.8 <= interval.high
            held, naive = held + (inside and name == "held"), naive + (inside and name == "naive")
    assert held >= 185
    assert naive < 130
