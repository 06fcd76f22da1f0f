import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from quality_gate.evaluation.metrics import (
    Metrics,
    class_errors,
    class_recall_samples,
    compute_metrics,
    confusion_matrix,
    metric_samples,
    reliability_curve,
)

CLASSES = ("noise", "onion", "potato")


def some_answers(seed, photos=60, classes=3):
    rng = np.random.default_rng(seed)
    return rng.integers(classes, size=photos), rng.dirichlet(np.ones(classes), size=photos)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_metrics_of_a_class_equal_those_of_scikit_learn(seed, photos):
    labels, probabilities = some_answers(seed, photos)
    values = reference.precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=[0, 1, 2], zero_division=0
    )
    per_class = compute_metrics(labels, probabilities, CLASSES).per_class
    assert tuple(per_class) == CLASSES
    for index, each in enumerate(per_class.values()):
        expected = [column[index] for column in values]
        assert (each.precision, each.recall, each.f1, each.support) == pytest.approx(tuple(expected), abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
def test_how_well_a_class_is_ranked_and_how_far_its_probability_is_off_equal_scikit_learns(seed, rest):
    labels, probabilities = some_answers(seed, rest + 3)
    labels[:3] = range(3)
    metrics = compute_metrics(labels, probabilities, CLASSES)
    for index, each in enumerate(metrics.per_class.values()):
        of_class, score = labels == index, probabilities[:, index]
        assert each.roc_auc == pytest.approx(reference.roc_auc_score(of_class, score))
        assert each.pr_auc == pytest.approx(reference.average_precision_score(of_class, score))
        assert each.brier == pytest.approx(reference.brier_score_loss(of_class, score))
    assert sum(each.brier for each in metrics.per_class.values()) == pytest.approx(metrics.brier)
    assert metrics.mean("roc_auc") == pytest.approx(metrics.roc_auc_ovr)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_means_weighed_by_photos_equal_those_of_scikit_learn(seed, photos):
    labels, probabilities = some_answers(seed, photos)
    answered = probabilities.argmax(axis=1)
    expected = reference.precision_recall_fscore_support(labels, answered, average="weighted", zero_division=0)[:3]
    metrics = compute_metrics(labels, probabilities, CLASSES)
    assert [metrics.weighted(figure) for figure in ("precision", "recall", "f1")] == pytest.approx(list(expected))


def test_the_calibration_error_of_a_class_weighs_the_gap_of_each_tenth_by_its_photos():
    probabilities = np.array([[0.85, 0.15], [0.81, 0.19], [0.3, 0.7], [0.22, 0.78]])
    labels = np.array([0, 1, 1, 0])
    # Of the first class two photos at 0.83, of which one is of it; one at 0.3 that is not, one at 0.22 that is.
    # Both at 0.3 and 0.22 lie in the tenth that ends with 0.3.
    assert class_errors(labels, probabilities)[1, 0] == pytest.approx((2 * 0.33 + abs(0.3 + 0.22 - 1)) / 4)


def test_figures_of_classes_are_named_for_a_tracker_and_undefined_ones_left_out():
    labels, probabilities = np.array([0, 0, 1]), np.full((3, 3), 1 / 3)
    named = compute_metrics(labels, probabilities, CLASSES).of_classes("test_")
    assert named["test_recall/noise"] == 1.0
    assert "test_roc_auc/onion" in named
    assert "test_roc_auc/potato" not in named
    assert not any("support" in name for name in named)


def test_undefined_figures_of_a_class_are_null_in_json_and_come_back():
    metrics = compute_metrics(np.array([0, 0, 1]), np.full((3, 3), 1 / 3), CLASSES)
    values = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert values["per_class"]["potato"]["roc_auc"] is None
    assert math.isnan(Metrics.from_json(values).per_class["potato"].roc_auc)


def test_metrics_are_those_of_the_resample_in_which_each_photo_counts_once():
    labels, probabilities = some_answers(1)
    once = np.ones((1, len(labels)))
    metrics = compute_metrics(labels, probabilities, CLASSES)
    assert metrics.scalars() == {
        name: pytest.approx(value[0]) for name, value in metric_samples(labels, probabilities, once).items()
    }
    recalls = class_recall_samples(labels, probabilities, once)[0]
    assert [each.recall for each in metrics.per_class.values()] == pytest.approx(list(recalls))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_a_perfect_prediction_has_the_best_value_of_every_metric(rest):
    labels = np.array([0, 1, 2, *rest])
    metrics = compute_metrics(labels, np.eye(3)[labels], CLASSES)
    losses = {"brier", "brier_top1", "ece", "log_loss"}
    assert metrics.scalars() == {name: 0.0 if name in losses else 1.0 for name in metrics.scalars()}


def test_a_prediction_certain_of_the_wrong_class_has_the_worst_value():
    labels = np.array([0, 1, 2])
    metrics = compute_metrics(labels, np.eye(3)[[1, 2, 0]], CLASSES)
    assert (metrics.accuracy, metrics.macro_f1, metrics.brier, metrics.brier_top1, metrics.ece) == (0, 0, 2, 1, 1)
    assert metrics.log_loss == pytest.approx(-math.log(np.finfo(float).eps))


def test_the_calibration_error_has_ten_bins():
    # One bin from 0.6 to 0.7: mean confidence 0.65, half of the answers right. Apart they would be worse.
    probabilities = np.array([[0.61, 0.39], [0.69, 0.31]])
    assert compute_metrics(np.array([0, 1]), probabilities, ("defect", "ok")).ece == pytest.approx(0.15)


def test_a_class_without_photos_and_answers_counts_zero_in_macro_f1_and_not_at_all_in_the_areas():
    metrics = compute_metrics(np.array([0, 1]), np.eye(3)[[0, 1]], CLASSES)
    assert metrics.macro_f1 == pytest.approx(2 / 3)
    assert metrics.roc_auc_ovr == metrics.pr_auc_ovr == 1
    assert metrics.per_class["potato"].support == 0


def test_metrics_survive_the_way_through_json():
    metrics = compute_metrics(*some_answers(2), CLASSES)
    assert Metrics.from_json(json.loads(json.dumps(metrics.to_json()))) == metrics


def test_what_is_undefined_is_null_in_json():
    metrics = compute_metrics(np.array([0, 0]), np.full((2, 2), 0.5), ("defect", "ok"))
    assert math.isnan(metrics.roc_auc_ovr)
    values = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert values["roc_auc_ovr"] is None
    assert math.isnan(Metrics.from_json(values).roc_auc_ovr)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_confusion_matrix_equals_that_of_scikit_learn(pairs):
    labels, predicted = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    expected = np.zeros((4, 4)) if not pairs else reference.confusion_matrix(labels, predicted, labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 4), expected)


@pytest.mark.parametrize(("labels", "predicted"), [([0, 1], [0]), ([0, 4], [0, 0]), ([0.0], [0])])
def test_confusion_of_impossible_indices_is_refused(labels, predicted):
    with pytest.raises(ValueError, match="expected"):
        confusion_matrix(np.array(labels), np.array(predicted), 4)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_reliability_curve_counts_every_photo_and_gives_the_calibration_error(seed, photos):
    labels, probabilities = some_answers(seed, photos)
    curve = reliability_curve(labels, probabilities)
    metrics = compute_metrics(labels, probabilities, CLASSES)
    assert curve.count.sum() == photos
    assert (curve.count > 0).all()
    assert np.average(curve.accuracy, weights=curve.count) == pytest.approx(metrics.accuracy)
    assert np.average(np.abs(curve.confidence - curve.accuracy), weights=curve.count) == pytest.approx(metrics.ece)


def test_a_confidence_on_the_edge_belongs_to_the_bin_below():
    probabilities = np.array([[0.7, 0.3], [0.65, 0.35], [0.71, 0.29], [1.0, 0.0]])
    curve = reliability_curve(np.array([0, 1, 0, 0]), probabilities, bins=10)
    np.testing.assert_array_equal(curve.count, [2, 1, 1])
    np.testing.assert_allclose(curve.confidence, [0.675, 0.71, 1.0])
    np.testing.assert_allclose(curve.accuracy, [0.5, 1.0, 1.0])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0], [0.5, 0.5], "probabilities: expected shape"),
        ([0], [[1.0]], "probabilities: expected shape"),
        ([], np.empty((0, 2)), "probabilities: expected shape"),
        ([0], [[-0.1, 1.1]], "probabilities: expected values"),
        ([0], [[np.nan, 1.0]], "probabilities: expected values"),
        ([0], [[0.5, 0.2]], "probabilities: expected rows"),
        ([0, 1], [[0.5, 0.5]], "labels: expected shape"),
        ([2], [[0.5, 0.5]], "labels: expected class indices"),
        ([-1], [[0.5, 0.5]], "labels: expected class indices"),
        ([0.0], [[0.5, 0.5]], "labels: expected integers"),
    ],
)
def test_impossible_answers_are_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        compute_metrics(np.array(labels), np.array(probabilities), ("a", "b"))


@pytest.mark.parametrize("classes", [("a",), ("a", "a"), ("a", "b", "c")])
def test_names_that_do_not_fit_the_classes_are_refused(classes):
    with pytest.raises(ValueError, match="classes"):
        compute_metrics(np.array([0]), np.array([[0.5, 0.5]]), classes)


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="bins"):
        reliability_curve(np.array([0]), np.array([[0.5, 0.5]]), bins=0)
