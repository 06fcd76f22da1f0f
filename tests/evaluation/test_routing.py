import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quality_gate.evaluation.routing import (
    COVERAGE_STEP,
    MIN_START_COVERAGE,
    certify,
    risk_coverage_curve,
    threshold_sequence,
)

seeds = st.integers(0, 2**32 - 1)
# Shares as people write them; two decimals also keep p-values away from a tie with δ.
shares = st.integers(1, 40).map(lambda hundredths: hundredths / 100)


def draw(rng, photos, slope):
    """Confidences spread over 0..1, and answers that are wrong with probability slope · (1 − confidence)."""
    confidence = rng.random(photos)
    return confidence, rng.random(photos) >= slope * (1 - confidence)


def some_answers(seed, photos, slope=0.3, levels=None):
    rng = np.random.default_rng(seed)
    validation = rng.random(photos)
    confidence, correct = draw(rng, photos, slope)
    if levels:
        validation, confidence = np.ceil(validation * levels) / levels, np.ceil(confidence * levels) / levels
    return validation, confidence, correct


# The true risk above a threshold t is the mean of slope · (1 − c) for c in t..1, which is slope · (1 − t) / 2.
@pytest.mark.parametrize(("photos", "slope", "alpha", "delta"), [(300, 0.4, 0.15, 0.1), (400, 0.4, 0.1, 0.2)])
def test_simulated_certificates_are_wrong_no_more_often_than_promised(photos, slope, alpha, delta):
    rng = np.random.default_rng(7)
    repetitions = 600
    certificates = [certify(rng.random(photos), *draw(rng, photos, slope), alpha, delta) for _ in range(repetitions)]
    thresholds = np.array([np.nan if each.threshold is None else each.threshold for each in certificates])
    broken = (slope * (1 - thresholds) / 2 > alpha).mean()
    assert broken <= delta + 3 * math.sqrt(delta * (1 - delta) / repetitions)
    best_coverage = 2 * alpha / slope
    assert np.mean([each.coverage for each in certificates]) > best_coverage / 2


def test_simulated_certificates_of_a_model_just_too_bad_everywhere_use_up_their_level_and_no_more():
    rng = np.random.default_rng(8)
    repetitions, alpha, delta = 600, 0.1, 0.1
    granted = [
        certify(rng.random(200), rng.random(200), rng.random(200) >= alpha + 1e-6, alpha, delta).threshold is not None
        for _ in range(repetitions)
    ]
    assert delta / 4 < np.mean(granted) <= delta + 3 * math.sqrt(delta * (1 - delta) / repetitions)


def test_a_model_without_errors_accepts_every_photo():
    confidence = np.linspace(0.3, 1, 200)
    certificate = certify(confidence, confidence, np.ones(200, dtype=bool), alpha=0.05, delta=0.1)
    assert (certificate.threshold, certificate.coverage, certificate.accepted, certificate.wrong) == (0.0, 1.0, 200, 0)
    # Clopper and Pearson without an error: 1 − δ^(1/n).
    assert certificate.risk_upper_bound == pytest.approx(1 - 0.1 ** (1 / 200))


def test_chance_in_the_confidences_rarely_costs_a_model_without_errors_its_certificate():
    cases = [some_answers(seed, photos, slope=0) for seed in range(100) for photos in (90, 200, 800)]
    assert np.mean([certify(*case, alpha=0.05, delta=0.1).coverage for case in cases]) > 0.9


@pytest.mark.parametrize(("photos", "granted"), [(44, False), (45, True)])
def test_a_certificate_takes_as_many_photos_as_the_binomial_demands(photos, granted):
    certificate = certify(np.full(50, 0.5), np.full(photos, 0.5), np.ones(photos, dtype=bool), alpha=0.05, delta=0.1)
    assert (certificate.threshold == 0.0) == granted


def test_a_bad_model_accepts_nothing():
    validation, confidence, _ = some_answers(1, 200)
    certificate = certify(validation, confidence, np.zeros(200, dtype=bool), alpha=0.3, delta=0.1)
    assert (certificate.threshold, certificate.coverage, certificate.risk_upper_bound) == (None, 0.0, None)
    assert certificate.decide(1.0) == "review"
    assert (certificate.accepted, certificate.wrong, certificate.photos) == (0, 0, 200)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 300), shares, shares, st.sampled_from([None, 1, 4]))
def test_a_certificate_counts_what_its_own_rule_accepts_and_keeps_its_bound(seed, photos, alpha, delta, levels):
    from scipy.stats import beta, binom

    validation, confidence, correct = some_answers(seed, photos, levels=levels)
    certificate = certify(validation, confidence, correct, alpha, delta)
    accepted = np.array([certificate.decide(each) == "accept" for each in confidence])
    wrong = int((accepted & ~correct).sum())
    assert (certificate.accepted, certificate.wrong, certificate.photos) == (accepted.sum(), wrong, photos)
    assert certificate.coverage == pytest.approx(accepted.mean())
    if certificate.threshold is not None:
        assert binom.cdf(wrong, accepted.sum(), alpha) <= delta + 1e-9
        assert certificate.risk_upper_bound == pytest.approx(beta.ppf(1 - delta, wrong + 1, accepted.sum() - wrong))
        assert certificate.risk_upper_bound <= alpha + 1e-9


def test_nothing_after_the_first_threshold_that_cannot_be_proven_is_used():
    confidence = np.linspace(1, 0.3, 400)
    correct = np.ones(400, dtype=bool)
    correct[150:170] = False
    # The errors break the promise among the first 200 answers, though not among all 400.
    certificate = certify(confidence, confidence, correct, alpha=0.1, delta=0.1)
    assert 140 <= certificate.accepted <= 170
    surest_wrong = certify(confidence, confidence, np.roll(correct, -150), alpha=0.1, delta=0.1)
    assert surest_wrong.threshold is None


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(20, 300), st.integers(1, 20))
def test_more_errors_never_lower_the_threshold(seed, photos, errors):
    validation, confidence, correct = some_answers(seed, photos, slope=0.1)
    worse = correct.copy()
    worse[np.random.default_rng(seed).integers(photos, size=errors)] = False
    before = certify(validation, confidence, correct, 0.1, 0.1).threshold
    after = certify(validation, confidence, worse, 0.1, 0.1).threshold
    assert (math.inf if after is None else after) >= (math.inf if before is None else before)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(100, 600), shares, shares, shares)
def test_to_allow_more_errors_never_accepts_less_on_the_same_thresholds(seed, photos, alpha, more, delta):
    assume(alpha < more)
    validation, confidence, correct = some_answers(seed, photos)
    sequences = [threshold_sequence(validation, photos, each, delta) for each in (alpha, more)]
    assume(np.array_equal(*sequences))
    strict, lax = (certify(validation, confidence, correct, each, delta).coverage for each in (alpha, more))
    assert lax >= strict


def test_to_allow_more_errors_accepts_more_on_average():
    cases = [some_answers(seed, 200) for seed in range(60)]
    coverages = [np.mean([certify(*case, alpha, 0.1).coverage for case in cases]) for alpha in (0.02, 0.05, 0.1, 0.2)]
    assert coverages == sorted(coverages)
    assert coverages[-1] > coverages[0] + 0.5


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 300), st.integers(1, 500), shares, shares, st.sampled_from([None, 1, 4]))
def test_thresholds_fall_from_selective_to_all_and_start_where_a_proof_is_possible(
    seed, photos, calibration_photos, alpha, delta, levels
):
    validation = some_answers(seed, photos, levels=levels)[0]
    thresholds = threshold_sequence(validation, calibration_photos, alpha, delta)
    assert (np.diff(thresholds) < 0).all()
    assert thresholds[-1] == 0
    shares_accepted = (validation[:, None] >= thresholds).mean(axis=0)
    assert shares_accepted[0] >= MIN_START_COVERAGE
    enough = math.ceil(math.log(delta) / math.log(1 - alpha))
    if len(thresholds) > 1:
        assert shares_accepted[0] * calibration_photos >= enough


def test_thresholds_step_evenly_through_the_validation_photos():
    validation = np.random.default_rng(1).permutation(np.linspace(0.1, 1, 1000))
    thresholds = threshold_sequence(validation, 1000, 0.1, 0.1)
    accepted = (validation[:, None] >= thresholds).mean(axis=0)
    np.testing.assert_allclose(np.diff(accepted), COVERAGE_STEP, atol=0.0015)


def test_confidences_of_zero_leave_the_one_threshold_that_accepts_all():
    np.testing.assert_array_equal(threshold_sequence(np.zeros(5), 1000, 0.1, 0.1), [0.0])


def test_thresholds_know_nothing_of_the_calibration_photos_but_their_number():
    validation, confidence, correct = some_answers(5, 200, slope=0.1)
    threshold = certify(validation, confidence, correct, 0.1, 0.1).threshold
    assert threshold in threshold_sequence(validation, 200, 0.1, 0.1)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 100), st.sampled_from([None, 1, 4]))
def test_risk_and_coverage_are_those_of_every_threshold(seed, photos, levels):
    _, confidence, correct = some_answers(seed, photos, levels=levels)
    coverage, risk = risk_coverage_curve(confidence, correct)
    thresholds = np.unique(confidence)[::-1]
    np.testing.assert_allclose(coverage, [(confidence >= each).mean() for each in thresholds])
    np.testing.assert_allclose(risk, [(~correct[confidence >= each]).mean() for each in thresholds])
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx((~correct).mean())


@pytest.mark.parametrize(
    ("validation", "confidence", "correct", "alpha", "delta", "message"),
    [
        ([], [0.5], [True], 0.1, 0.1, "confidence"),
        ([1.5], [0.5], [True], 0.1, 0.1, "confidence"),
        ([math.nan], [0.5], [True], 0.1, 0.1, "confidence"),
        ([0.5], [], [], 0.1, 0.1, "confidence"),
        ([0.5], [0.5], [1], 0.1, 0.1, "correct"),
        ([0.5], [0.5], [True, True], 0.1, 0.1, "correct"),
        ([0.5], [0.5], [True], 0.0, 0.1, "alpha"),
        ([0.5], [0.5], [True], 0.1, 1.0, "delta"),
    ],
)
def test_impossible_arguments_are_refused(validation, confidence, correct, alpha, delta, message):
    with pytest.raises(ValueError, match=message):
        certify(np.array(validation), np.array(confidence), np.array(correct), alpha, delta)
