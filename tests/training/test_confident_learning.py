"""Laws of confident learning, and what it finds where the truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.training.confident_learning import (
    FOLDS,
    confident_joint,
    deal_folds,
    estimate_joint,
    find_label_errors,
    out_of_fold,
)

STRENGTH = 0.1

# The labels of each group; two pure groups a class make sure that every class can be learnt from other folds.
group_labels = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), max_size=12).map(
    lambda groups: [*groups, [0] * 3, [0], [1], [1] * 2, [2], [2]]
)


def expand(groups):
    labels = np.array([label for members in groups for label in members])
    return labels, np.repeat(np.arange(len(groups)), [len(members) for members in groups])


def blobs(counts, *, distance, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.eye(len(counts), 6)[labels] * distance + rng.normal(size=(len(labels), 6))
    return features.astype(np.float32), labels, np.arange(len(labels))


@st.composite
def judged(draw):
    """Probabilities and labels of a few rows; every class occurs."""
    rows, classes = draw(st.integers(4, 40)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    probabilities = rng.dirichlet(np.full(classes, draw(st.sampled_from([0.2, 1.0, 5.0]))), rows)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    return probabilities, labels


@given(groups=group_labels, seed=st.integers(0, 99), order=st.randoms(use_true_random=False))
def test_folds_part_no_group_and_do_not_depend_on_the_order_of_the_rows(groups, seed, order):
    labels, numbers = expand(groups)
    shuffled = np.array(order.sample(range(len(labels)), len(labels)))

    folds = deal_folds(labels, numbers, seed)

    assert all(len(set(folds[numbers == number])) == 1 for number in numbers)
    assert (deal_folds(labels[shuffled], numbers[shuffled], seed) == folds[shuffled]).all()


@given(groups=group_labels, seed=st.integers(0, 99))
def test_every_class_is_learnt_from_the_other_folds(groups, seed):
    labels, numbers = expand(groups)
    folds = deal_folds(labels, numbers, seed)
    assert all(set(labels[folds != fold]) == {0, 1, 2} for fold in range(FOLDS))


def test_classes_are_spread_evenly_and_by_the_seed():
    labels, groups = np.repeat([0, 1], [50, 10]), np.arange(60)
    folds = deal_folds(labels, groups, seed=1)
    assert np.bincount(folds[labels == 0]).tolist() == [10] * FOLDS
    assert np.bincount(folds[labels == 1]).tolist() == [2] * FOLDS
    assert (deal_folds(labels, groups, seed=2) != folds).any()


def test_a_class_with_a_single_group_cannot_be_judged():
    with pytest.raises(ValueError, match="class number 1: expected at least two groups"):
        deal_folds(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 3]), seed=0)


def test_no_row_of_a_group_is_judged_by_a_head_that_has_seen_the_group():
    # Every group has features of its own at random: whoever has seen one of its rows knows the label of the other.
    features = np.random.default_rng(0).normal(size=(80, 100)).astype(np.float32).repeat(2, axis=0)
    labels, groups = np.tile([0, 1], 40).repeat(2), np.arange(80).repeat(2)

    honest = out_of_fold(features, labels, groups, strength=1, seed=0)
    fooled = out_of_fold(features, labels, np.arange(160), strength=1, seed=0)

    assert (fooled.argmax(axis=1) == labels).mean() > 0.8
    assert (honest.argmax(axis=1) == labels).mean() < 0.6


def test_permuting_the_rows_permutes_their_probabilities():
    features, labels, groups = blobs((20, 30, 25), distance=2)
    order = np.random.default_rng(1).permutation(len(labels))

    straight = out_of_fold(features, labels, groups, strength=STRENGTH, seed=3)
    shuffled = out_of_fold(features[order], labels[order], groups[order], strength=STRENGTH, seed=3)

    np.testing.assert_allclose(straight.sum(axis=1), 1)
    np.testing.assert_allclose(shuffled, straight[order], atol=1e-3)


def test_where_nothing_can_be_told_the_probabilities_are_the_shares_of_the_labels():
    features = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    labels = np.repeat([0, 1], [900, 100])
    probabilities = out_of_fold(features, labels, np.arange(1000), strength=STRENGTH, seed=0)
    np.testing.assert_allclose(probabilities.mean(axis=0), [0.9, 0.1], atol=0.02)


@given(judged())
def test_the_joint_is_of_the_labels_as_they_were_given(case):
    probabilities, labels = case
    joint = estimate_joint(probabilities, labels)
    assert (joint >= 0).all()
    np.testing.assert_allclose(joint.sum(axis=1), np.bincount(labels))


@settings(max_examples=50)
@given(judged(), st.integers(0, 2**32 - 1))
def test_the_joint_does_not_depend_on_the_order_of_the_rows_nor_on_the_names_of_the_classes(case, seed):
    probabilities, labels = case
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(len(labels)), rng.permutation(probabilities.shape[1])

    joint = confident_joint(probabilities, labels)

    assert (confident_joint(probabilities[order], labels[order]) == joint).all()
    assert (confident_joint(probabilities[:, names], np.argsort(names)[labels]) == joint[np.ix_(names, names)]).all()


@settings(max_examples=50)
@given(judged(), st.integers(0, 2**32 - 1))
def test_permuting_the_rows_permutes_the_errors(case, seed):
    probabilities, labels = case
    order = np.random.default_rng(seed).permutation(len(labels))
    assert (
        find_label_errors(probabilities[order], labels[order]) == find_label_errors(probabilities, labels)[order]
    ).all()


@given(judged())
def test_errors_are_the_least_probable_labels_and_no_more_than_estimated(case):
    probabilities, labels = case
    found, own = find_label_errors(probabilities, labels), probabilities[np.arange(len(labels)), labels]
    contested = probabilities.argmax(axis=1) != labels
    assert contested[found].all()
    joint = estimate_joint(probabilities, labels)
    for label in range(len(joint)):
        members = labels == label
        assert (found & members).sum() <= round(joint[label].sum() - joint[label, label])
        assert own[found & members].max(initial=0) <= own[members & ~found & contested].min(initial=1)


def test_the_joint_of_a_case_worked_out_by_hand():
    labels = np.array([0, 0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.4, 0.6]])
    # Thresholds: 0.6 and 0.65. The last row reaches neither and is not counted.
    assert confident_joint(probabilities, labels).tolist() == [[2, 1], [0, 1]]
    np.testing.assert_allclose(estimate_joint(probabilities, labels), [[2, 1], [0, 2]])
    assert find_label_errors(probabilities, labels).tolist() == [False, False, True, False, False]


def test_equal_probabilities_are_confident_despite_rounding():
    labels = np.array([0, 1, 1, 1])
    probabilities = np.array([[1.0, 0.0], *[[0.2, 0.8]] * 3])
    assert probabilities[1:, 1].mean() > 0.8
    assert confident_joint(probabilities, labels).tolist() == [[1, 0], [0, 3]]


@pytest.mark.parametrize("seed", range(3))
def test_clean_labels_of_separable_classes_are_not_suspected(seed):
    features, labels, groups = blobs((40, 60, 50), distance=12, seed=seed)
    probabilities = out_of_fold(features, labels, groups, strength=STRENGTH, seed=seed)
    assert not find_label_errors(probabilities, labels).any()


@pytest.mark.parametrize(("counts", "share_found"), [((60, 60, 60), 0.8), ((200, 40, 20), 0.6)])
def test_moved_labels_of_separable_classes_are_found_and_nothing_else(counts, share_found):
    features, truth, groups = blobs(counts, distance=8)
    rng = np.random.default_rng(5)
    moved = rng.choice(len(truth), len(truth) // 10, replace=False)
    labels = truth.copy()
    labels[moved] = (truth[moved] + rng.integers(1, 3, len(moved))) % 3

    probabilities = out_of_fold(features, labels, groups, strength=STRENGTH, seed=0)
    found = find_label_errors(probabilities, labels)

    assert set(np.flatnonzero(found)) <= set(moved)
    assert found[moved].mean() > share_found
    least_probable = np.argsort(probabilities[np.arange(len(labels)), labels])[: len(moved)]
    assert set(least_probable) == set(moved)
