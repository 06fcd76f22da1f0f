import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from quality_gate.evaluation.metric_sampler import ECE_BINS, SCALAR_METRICS, MetricSampler

RESAMPLES = 3


@st.composite
def answers(draw):
    """Labels, probabilities and weights in which ties, zero weights and classes without a photo are frequent."""
    n_classes = draw(st.integers(2, 5))
    n_photos = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(draw(st.integers(1, n_classes)), size=n_photos)
    levels = draw(st.sampled_from([2, 5, 1000]))
    scores = rng.integers(levels, size=(n_photos, n_classes)) + 0.25
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    whole = draw(st.booleans())
    weights = rng.integers(0, 3, size=(RESAMPLES, n_photos)) if whole else rng.random((RESAMPLES, n_photos))
    weights[:, rng.integers(n_photos)] += 1
    return labels, probabilities, weights


def reference_metrics(labels, probabilities, weights):
    every = np.arange(probabilities.shape[1])
    answers = probabilities.argmax(axis=1)
    average = {"labels": every, "average": "macro", "zero_division": 0, "sample_weight": weights}
    positive = labels[:, None] == every
    present = [c for c in every if weights[positive[:, c]].sum() > 0]
    ranked = [c for c in present if weights[~positive[:, c]].sum() > 0]
    confidence = probabilities.max(axis=1)
    right = answers == labels
    ece = 0.0
    for index in range(ECE_BINS):
        inside = (confidence > index / ECE_BINS) & (confidence <= (index + 1) / ECE_BINS)
        if weights[inside].sum() > 0:
            gap = np.average(confidence[inside], weights=weights[inside]) - np.average(
                right[inside], weights=weights[inside]
            )
            ece += abs(gap) * weights[inside].sum() / weights.sum()

    def mean(score, columns):
        values = [score(positive[:, c], probabilities[:, c], sample_weight=weights) for c in columns]
        return np.mean(values) if values else np.nan

    with warnings.catch_warnings():
        # scikit-learn warns where all labels or all answers are of one class.
        warnings.simplefilter("ignore")
        return {
            "accuracy": reference.accuracy_score(labels, answers, sample_weight=weights),
            "macro_precision": reference.precision_score(labels, answers, **average),
            "macro_recall": reference.recall_score(labels, answers, **average),
            "macro_f1": reference.f1_score(labels, answers, **average),
            "brier": np.average(((probabilities - positive) ** 2).sum(axis=1), weights=weights),
            "brier_top1": np.average((confidence - right) ** 2, weights=weights),
            "ece": ece,
            "log_loss": reference.log_loss(labels, probabilities, labels=every, sample_weight=weights),
            "roc_auc_ovr": mean(reference.roc_auc_score, ranked),
            "pr_auc_ovr": mean(reference.average_precision_score, present),
        }


@settings(deadline=None, max_examples=50)
@given(answers())
def test_every_metric_of_every_resample_equals_the_weighted_metric_of_scikit_learn(case):
    labels, probabilities, weights = case
    samples = MetricSampler(labels, probabilities).scalars(weights)
    assert tuple(samples) == SCALAR_METRICS
    for index, row in enumerate(weights.astype(float)):
        expected = reference_metrics(labels, probabilities, row)
        for name in SCALAR_METRICS:
            assert samples[name][index] == pytest.approx(expected[name], abs=1e-9, nan_ok=True), name


@settings(deadline=None, max_examples=30)
@given(answers(), st.integers(0, 2**32 - 1))
def test_the_weight_of_a_photo_says_how_often_it_is_repeated(case, seed):
    labels, probabilities, _ = case
    times = np.random.default_rng(seed).integers(0, 4, size=len(labels))
    times[0] += 1
    weighted = MetricSampler(labels, probabilities).scalars(times[None])
    repeated = MetricSampler(np.repeat(labels, times), np.repeat(probabilities, times, axis=0)).scalars(
        np.ones((1, times.sum()))
    )
    for name in SCALAR_METRICS:
        np.testing.assert_allclose(weighted[name], repeated[name], atol=1e-9, err_msg=name)


@settings(deadline=None, max_examples=30)
@given(answers(), st.integers(0, 2**32 - 1))
def test_neither_the_order_of_photos_nor_that_of_classes_matters_to_the_areas(case, seed):
    labels, probabilities, weights = case
    rng = np.random.default_rng(seed)
    photos, classes = rng.permutation(len(labels)), rng.permutation(probabilities.shape[1])
    before = MetricSampler(labels, probabilities).scalars(weights)
    shuffled = MetricSampler(labels[photos], probabilities[photos]).scalars(weights[:, photos])
    for name in SCALAR_METRICS:
        np.testing.assert_allclose(shuffled[name], before[name], atol=1e-9, err_msg=name)
    renamed = MetricSampler(np.argsort(classes)[labels], probabilities[:, classes]).scalars(weights)
    for name in ("roc_auc_ovr", "pr_auc_ovr", "brier", "log_loss"):
        np.testing.assert_allclose(renamed[name], before[name], atol=1e-9, err_msg=name)


@settings(deadline=None, max_examples=20)
@given(answers())
def test_recall_is_undefined_only_where_a_resample_has_no_photo_of_the_class(case):
    labels, probabilities, weights = case
    sampler = MetricSampler(labels, probabilities)
    recalls = sampler.class_recalls(weights)
    photos = sampler.class_counts(weights)[1]
    assert recalls.shape == (RESAMPLES, probabilities.shape[1])
    np.testing.assert_array_equal(np.isnan(recalls), photos == 0)
    np.testing.assert_allclose(
        np.nan_to_num(recalls).mean(axis=1), sampler.scalars(weights)["macro_recall"], atol=1e-12
    )


def test_macro_f1_alone_is_the_macro_f1_among_all():
    rng = np.random.default_rng(3)
    labels, weights = rng.integers(3, size=40), rng.integers(0, 3, size=(5, 40))
    sampler = MetricSampler(labels, rng.dirichlet(np.ones(3), size=40))
    np.testing.assert_array_equal(sampler.macro_f1(weights), sampler.scalars(weights)["macro_f1"])


def test_weights_that_do_not_fit_into_one_block_give_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    labels, weights = rng.integers(3, size=40), rng.integers(0, 3, size=(7, 40))
    sampler = MetricSampler(labels, rng.dirichlet(np.ones(3), size=40))
    at_once, recalls = sampler.scalars(weights), sampler.class_recalls(weights)
    monkeypatch.setattr("quality_gate.evaluation.metric_sampler._CELLS_AT_ONCE", 100)
    in_blocks = sampler.scalars(weights)
    for name in SCALAR_METRICS:
        np.testing.assert_allclose(in_blocks[name], at_once[name], atol=1e-12)
    np.testing.assert_array_equal(sampler.class_recalls(weights), recalls)


@pytest.mark.parametrize(
    "weights",
    [
        np.ones(2),
        np.ones((1, 3)),
        np.ones((0, 2)),
        np.array([[2.0, -1.0]]),
        np.array([[1.0, np.nan]]),
        np.zeros((1, 2)),
    ],
)
def test_impossible_weights_are_refused(weights):
    sampler = MetricSampler(np.array([0, 1]), np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="weights"):
        sampler.scalars(weights)
