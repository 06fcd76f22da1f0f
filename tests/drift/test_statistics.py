import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp
from sklearn.metrics import roc_auc_score

from quality_gate.drift.statistics import ClassFrequencies, DomainClassifier, LargestDistance


def is_window(before, now):
    return np.arange(before + now) >= before


@given(
    st.lists(st.integers(0, 6), min_size=3, max_size=30),
    st.lists(st.integers(0, 6), min_size=3, max_size=30),
)
def test_the_distance_is_that_of_kolmogorov_and_smirnov_with_any_ties(before, now):
    values = np.array([*before, *now], dtype=np.float64)
    found = LargestDistance([values])(is_window(len(before), len(now))[None])
    assert found[0] == pytest.approx(ks_2samp(before, now, method="asymp").statistic, abs=1e-12)


def test_of_several_columns_the_largest_distance_counts():
    same, other = np.tile([1.0, 2.0], 4), np.repeat([1.0, 2.0], 4)
    statistic = LargestDistance([same, other])
    assert statistic.by_column(is_window(4, 4)[None])[:, 0].tolist() == [0.0, 1.0]
    assert statistic(is_window(4, 4)[None]).tolist() == [1.0]


def test_frequencies_are_ordered_as_pearsons_chi_squared_orders_them():
    random = np.random.default_rng(0)
    predicted = random.integers(0, 4, 200)
    choices = random.permuted(np.repeat(is_window(150, 50)[None], 20, axis=0), axis=1)
    found = ClassFrequencies(predicted)(choices)
    tables = [
        [np.bincount(predicted[~chosen], minlength=4), np.bincount(predicted[chosen], minlength=4)]
        for chosen in choices
    ]
    expected = [chi2_contingency(table, correction=False).statistic for table in tables]
    np.testing.assert_allclose(found * 200 / 150, expected, rtol=1e-4)


def test_a_single_class_has_no_frequencies_to_differ_in():
    assert ClassFrequencies(np.zeros(10, dtype=np.int64))(is_window(5, 5)[None]).tolist() == [0.0]


class TestTheDomainClassifier:
    def auc(self, before, now, seed=0):
        features = np.concatenate([before, now]).astype(np.float32)
        statistic = DomainClassifier(features, np.random.default_rng(seed))
        return float(statistic(is_window(len(before), len(now))[None])[0])

    def test_knows_a_shift(self):
        random = np.random.default_rng(0)
        before, now = random.normal(size=(300, 8)), random.normal(size=(100, 8)) + 1.5
        assert self.auc(before, now) > 0.98

    def test_knows_a_change_of_spread(self):
        random = np.random.default_rng(0)
        assert self.auc(random.normal(size=(300, 8)), 3 * random.normal(size=(100, 8))) > 0.9

    def test_is_asked_about_photos_it_was_not_taught(self):
        # 60 features would tell 80 photos apart by heart.
        random = np.random.default_rng(0)
        found = [self.auc(random.normal(size=(40, 60)), random.normal(size=(40, 60)), seed) for seed in range(20)]
        assert np.mean(found) == pytest.approx(0.5, abs=0.06)

    def test_cannot_tell_photos_apart_that_are_all_alike(self):
        found = [self.auc(np.ones((200, 3)), np.ones((50, 3)), seed) for seed in range(20)]
        assert np.mean(found) == pytest.approx(0.5, abs=0.05)

    def test_gives_each_choice_its_own_area(self):
        random = np.random.default_rng(0)
        features = random.normal(size=(120, 4)).astype(np.float32)
        statistic = DomainClassifier(features, np.random.default_rng(1))
        choices = random.permuted(np.repeat(is_window(80, 40)[None], 7, axis=0), axis=1)
        together = statistic(choices)
        one_by_one = [float(statistic(chosen[None])[0]) for chosen in choices]
        np.testing.assert_allclose(together, one_by_one, atol=1e-9)

    def test_the_area_is_that_under_the_curve(self):
        # One fold taught on a feature that is the answer but for noise: the area is that of the feature itself.
        random = np.random.default_rng(0)
        window = is_window(500, 500)
        feature = random.normal(size=1000) + window
        found = DomainClassifier(feature[:, None].astype(np.float32), np.random.default_rng(1))(window[None])[0]
        assert found == pytest.approx(roc_auc_score(window, feature), abs=0.02)
