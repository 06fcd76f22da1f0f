import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from quality_gate.training.head import FALLBACK_STRENGTH, INVERSE_REGULARISATIONS, train_head


def blobs(counts, *, distance=4.0, features=6, seed=0):
    """Rows around one centre a class, on very different scales and far from zero."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = np.eye(len(counts), features) * distance
    scales = np.geomspace(0.01, 100, features)
    rows = (centres[labels] + rng.normal(size=(len(labels), features))) * scales + 7 * scales
    return rows.astype(np.float32), labels.astype(np.int64), np.arange(len(labels))


def scores(head, features):
    return features.astype(float) @ head.weight.T.astype(float) + head.bias


def test_separable_classes_are_told_apart():
    features, labels, groups = blobs((20, 20, 20), distance=8)

    head = train_head(features, labels, groups, seed=0)

    assert (scores(head, features).argmax(axis=1) == labels).all()
    assert (head.weight.shape, head.bias.shape) == ((3, 6), (3,))
    assert head.weight.dtype == head.bias.dtype == np.float32
    assert head.inverse_regularisation in INVERSE_REGULARISATIONS


def test_the_standardisation_is_folded_into_the_weights():
    features, labels, groups = blobs((30, 40, 50), distance=2)

    head = train_head(features, labels, groups, seed=0)
    direct = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=head.inverse_regularisation, class_weight="balanced", max_iter=1000),
    ).fit(features, labels)

    np.testing.assert_allclose(scores(head, features), direct.decision_function(features), atol=2e-3)


def test_two_classes_have_two_opposite_rows_with_the_probabilities_of_one():
    features, labels, groups = blobs((30, 40), distance=2)

    head = train_head(features, labels, groups, seed=0)
    direct = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=head.inverse_regularisation, class_weight="balanced", max_iter=1000),
    ).fit(features, labels)
    two = scores(head, features)

    assert (head.weight.shape, head.bias.shape) == ((2, 6), (2,))
    np.testing.assert_allclose(two.sum(axis=1), 0, atol=1e-3)
    np.testing.assert_allclose(two[:, 1] - two[:, 0], direct.decision_function(features), atol=2e-3)


def test_a_rare_class_is_found_as_often_as_a_frequent_one():
    features, labels, groups = blobs((400, 20), distance=1.5, features=2)

    answers = scores(train_head(features, labels, groups, seed=0), features).argmax(axis=1)

    recalls = [(answers[labels == label] == label).mean() for label in (0, 1)]
    assert abs(recalls[0] - recalls[1]) < 0.1
    assert min(recalls) > 0.7


def test_views_of_one_photo_never_vouch_for_each_other():
    rng = np.random.default_rng(0)
    photos, views = 30, 4
    features = rng.normal(size=(photos, 40)).astype(np.float32).repeat(views, axis=0)
    labels = np.tile([0, 1], photos // 2).repeat(views)

    honest = train_head(features, labels, np.arange(photos).repeat(views), seed=0)
    fooled = train_head(features, labels, np.arange(photos * views), seed=0)

    assert honest.inverse_regularisation == min(INVERSE_REGULARISATIONS)
    assert fooled.inverse_regularisation == max(INVERSE_REGULARISATIONS)


def test_a_feature_that_never_changes_has_no_say():
    features, labels, groups = blobs((20, 20), distance=3)
    features[:, 4] = 12.5

    head = train_head(features, labels, groups, seed=0)

    assert np.isfinite(head.weight).all()
    assert np.abs(scores(head, features)).max() < 50
    np.testing.assert_allclose(head.weight[:, 4] * 12.5, 0, atol=1e-3)


@pytest.mark.parametrize("groups_per_class", [1, 2])
def test_classes_of_few_groups_are_learnt_all_the_same(groups_per_class):
    features, labels, _ = blobs((6, 6), distance=8)
    groups = np.arange(12) // (6 // groups_per_class)

    head = train_head(features, labels, groups, seed=0)

    assert (scores(head, features).argmax(axis=1) == labels).all()
    if groups_per_class == 1:
        assert head.inverse_regularisation == FALLBACK_STRENGTH


def test_the_same_rows_give_the_same_head():
    features, labels, groups = blobs((20, 20, 20), distance=1)

    first, again = (train_head(features, labels, groups, seed=5) for _ in range(2))

    assert (first.weight == again.weight).all()
    assert (first.bias == again.bias).all()
    assert first.inverse_regularisation == again.inverse_regularisation
