import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.evaluation.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE, fit_temperature
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.inference import softmax

CLASSES = ("noise", "onion", "potato", "tomato")


def calibrated(seed, photos, spread=2.0):
    """Logits whose softmax is the distribution the labels are drawn from."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(photos, 4)) * spread
    return logits, (rng.random((photos, 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1)


@pytest.mark.parametrize("truth", [0.3, 1.0, 4.0])
def test_the_temperature_that_made_the_logits_is_found(truth):
    logits, labels = calibrated(1, 20_000)
    assert fit_temperature(logits * truth, labels) == pytest.approx(truth, rel=0.04)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 4))
def test_logits_scaled_by_a_factor_need_the_temperature_scaled_by_it(seed, factor):
    logits, labels = calibrated(seed, 200)
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor * fit_temperature(logits, labels), rel=1e-4)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(-50, 50))
def test_neither_a_constant_added_nor_the_order_of_photos_changes_the_temperature(seed, constant):
    logits, labels = calibrated(seed, 60)
    order = np.random.default_rng(seed).permutation(60)
    before = fit_temperature(logits, labels)
    assert fit_temperature(logits + constant, labels) == pytest.approx(before, rel=1e-4)
    assert fit_temperature(logits[order], labels[order]) == pytest.approx(before, rel=1e-4)


def test_no_temperature_nearby_fits_much_better():
    logits, labels = calibrated(3, 400)
    found = fit_temperature(logits * 3, labels)

    def loss(temperature):
        return compute_metrics(labels, softmax(logits * 3, temperature), CLASSES).log_loss

    assert loss(found) < loss(1.0)
    assert all(loss(found) < loss(found * factor) + 1e-4 for factor in np.linspace(0.5, 2, 31))


def test_an_overconfident_network_is_mended():
    logits, labels = calibrated(5, 2000)
    before, after = (
        compute_metrics(labels, softmax(logits * 4, temperature), CLASSES)
        for temperature in (1.0, fit_temperature(logits * 4, labels))
    )
    assert after.ece < before.ece / 3
    assert after.accuracy == before.accuracy


@pytest.mark.parametrize("photos", [20, 200])
def test_right_answers_alone_give_a_confidence_that_their_number_warrants(photos):
    rng = np.random.default_rng(2)
    labels = rng.integers(4, size=photos)
    logits = np.eye(4)[labels] * rng.uniform(3, 6, size=(photos, 1))
    temperature = fit_temperature(logits, labels)
    assert temperature > MIN_TEMPERATURE
    doubt = 1 - softmax(logits, temperature).max(axis=1).mean()
    assert 0.3 / photos < doubt < 3 / photos


def test_wrong_answers_alone_and_absurd_logits_stay_within_the_bounds():
    labels = np.array([0, 1, 2, 3])
    assert fit_temperature(np.eye(4)[labels[::-1]] * 5, labels) == pytest.approx(MAX_TEMPERATURE, rel=1e-3)
    assert fit_temperature(np.eye(4)[labels] * 1e6, labels) == pytest.approx(MAX_TEMPERATURE, rel=1e-3)
    assert fit_temperature(np.eye(4)[labels] * 1e-6, labels) == pytest.approx(MIN_TEMPERATURE, rel=1e-3)


def test_logits_that_say_nothing_are_left_alone():
    assert fit_temperature(np.ones((3, 2)), np.array([0, 1, 1])) == 1.0


def test_float32_logits_give_the_temperature_of_float64_ones():
    logits, labels = calibrated(8, 100)
    assert fit_temperature(logits.astype(np.float32), labels) == pytest.approx(
        fit_temperature(logits, labels), rel=1e-4
    )


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.ones(3), [0], "logits: expected shape"),
        (np.ones((2, 1)), [0, 0], "logits: expected shape"),
        (np.empty((0, 2)), [], "logits: expected shape"),
        (np.array([[np.inf, 0.0]]), [0], "logits: expected finite"),
        (np.ones((2, 2)), [0], "labels: expected shape"),
        (np.ones((1, 2)), [2], "labels: expected class indices"),
    ],
)
def test_impossible_logits_or_labels_are_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, np.array(labels, dtype=np.int64))
