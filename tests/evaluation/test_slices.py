from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from quality_gate.evaluation.slices import FEWEST_PHOTOS, Slice, measure_slices, photo_measures

CLASSES = 3


def answers(labels, wrong):
    """Probabilities of a model that answers with the next class where it is wrong."""
    answered = np.where(wrong, (labels + 1) % CLASSES, labels)
    probabilities = np.full((len(labels), CLASSES), 0.1)
    probabilities[np.arange(len(labels)), answered] = 0.8
    return probabilities


def sliced(measures, labels, wrong, groups=None, *, resamples=200, seed=0):
    groups = np.arange(len(labels)) if groups is None else groups
    return measure_slices(measures, labels, answers(labels, wrong), groups, resamples=resamples, seed=seed)


def flat(slices):
    return [one for each in slices.values() for one in each]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), photos=st.integers(2, 60), distinct=st.integers(1, 20))
def test_every_photo_is_in_one_slice_and_equal_values_are_never_parted(seed, photos, distinct):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, distinct, photos).astype(float)
    found = sliced({"brightness": values}, rng.integers(0, CLASSES, photos), rng.random(photos) < 0.3, resamples=5)
    parts = found["brightness"]
    if not parts:
        return
    assert sum(one.photos for one in parts) == photos
    assert all(one.low <= one.high for one in parts)
    assert all(lower.high < upper.low for lower, upper in pairwise(parts))
    assert [one.photos for one in parts] == [np.sum((values >= one.low) & (values <= one.high)) for one in parts]


def test_different_values_make_even_thirds():
    labels = np.arange(90) % CLASSES
    found = sliced({"sharpness": np.random.default_rng(0).permutation(90) / 2}, labels, np.zeros(90, bool))
    assert [(one.name, one.photos) for one in found["sharpness"]] == [("soft", 30), ("medium", 30), ("sharp", 30)]


def test_a_measure_with_two_values_makes_two_slices_however_uneven():
    values = np.where(np.arange(100) < 10, 0.1, 0.3)
    found = sliced({"megapixels": values}, np.zeros(100, int), np.zeros(100, bool))
    assert [(one.name, one.photos) for one in found["megapixels"]] == [("small", 10), ("large", 90)]


def test_many_equal_values_are_in_the_third_of_their_middle_rank():
    values = np.repeat([0.0, 1.0, 2.0], [10, 40, 50])
    found = sliced({"brightness": values}, np.zeros(100, int), np.zeros(100, bool))
    assert [(one.name, one.low, one.high, one.photos) for one in found["brightness"]] == [
        ("dark", 0, 1, 50),
        ("bright", 2, 2, 50),
    ]


def test_a_measure_that_is_the_same_for_all_photos_makes_no_slice():
    assert sliced({"megapixels": np.ones(60)}, np.zeros(60, int), np.zeros(60, bool)) == {"megapixels": ()}


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_accuracy_and_macro_f1_are_those_of_the_photos_and_classes_of_the_slice(seed):
    rng = np.random.default_rng(seed)
    labels, wrong, values = rng.integers(0, CLASSES, 40), rng.random(40) < 0.4, rng.random(40)
    labels[values < 0.2] = 0
    answered = answers(labels, wrong).argmax(axis=1)
    for one in flat(sliced({"brightness": values}, labels, wrong, resamples=5)):
        of_slice = (values >= one.low) & (values <= one.high)
        true, said = labels[of_slice], answered[of_slice]
        assert one.accuracy == pytest.approx(accuracy_score(true, said))
        present = np.unique(true)
        assert one.macro_f1 == pytest.approx(f1_score(true, said, labels=present, average="macro", zero_division=0))


def test_copies_of_a_photo_in_its_group_narrow_no_interval():
    rng = np.random.default_rng(2)
    labels, wrong, values = rng.integers(0, CLASSES, 60), rng.random(60) < 0.3, rng.random(60)
    groups = np.arange(60)
    once = flat(sliced({"brightness": values}, labels, wrong, groups))
    tiled = flat(sliced({"brightness": np.tile(values, 3)}, np.tile(labels, 3), np.tile(wrong, 3), np.tile(groups, 3)))
    assert [one.accuracy_interval for one in tiled] == [one.accuracy_interval for one in once]
    assert [one.photos for one in tiled] == [3 * one.photos for one in once]


def planted(photos=300):
    """A model that fails on the dark third."""
    rng = np.random.default_rng(5)
    labels, values = rng.integers(0, CLASSES, photos), rng.random(photos)
    wrong = rng.random(photos) < np.where(values < np.quantile(values, 1 / 3), 0.4, 0.05)
    return labels, wrong, values


def test_a_slice_on_which_the_model_fails_is_clearly_worse():
    labels, wrong, values = planted()
    marked = [one.name for one in flat(sliced({"brightness": values}, labels, wrong)) if one.clearly_worse]
    assert marked == ["dark"]


def test_with_fewer_than_thirty_photos_nothing_is_said():
    labels, wrong, values = planted(75)
    dark = sliced({"brightness": values}, labels, wrong)["brightness"][0]
    assert dark.photos < FEWEST_PHOTOS
    assert dark.gap_bound < 0
    assert dark.too_few
    assert not dark.clearly_worse


def test_a_flawless_model_has_no_worse_slice():
    labels, _, values = planted()
    assert not any(one.clearly_worse for one in flat(sliced({"brightness": values}, labels, np.zeros(300, bool))))


def test_the_more_slices_are_looked_at_the_clearer_one_must_be_worse():
    labels, wrong, values = planted()
    noise = np.random.default_rng(9).random(300)
    alone = sliced({"brightness": values}, labels, wrong)["brightness"][0]
    among = sliced({"brightness": values, "sharpness": noise, "megapixels": noise[::-1]}, labels, wrong)
    assert among["brightness"][0].gap_bound > alone.gap_bound


@pytest.mark.slow
def test_where_no_slice_is_worse_one_is_marked_at_most_once_in_twenty():
    rng = np.random.default_rng(11)
    marked = 0
    for trial in range(300):
        labels, wrong = rng.integers(0, CLASSES, 240), rng.random(240) < 0.15
        measures = {name: rng.random(240) for name in ("brightness", "sharpness", "megapixels")}
        found = sliced(measures, labels, wrong, resamples=400, seed=trial)
        marked += any(one.clearly_worse for one in flat(found))
    # 5% of 300 is 15; three standard deviations above are 26.
    assert marked <= 26


def test_measures_are_joined_by_photo_whatever_the_order_and_the_copies():
    table = pd.DataFrame(
        {
            "image_id": ["a", "b", "b", "c"],
            "brightness": [0.1, 0.2, 0.2, 0.3],
            "sharpness": [10.0, 20.0, 20.0, 30.0],
            "width": [1000.0, 2000.0, 2000.0, 3000.0],
            "height": [1000.0] * 4,
        }
    )
    found = photo_measures(table, ["c", "b"])
    assert {name: values.tolist() for name, values in found.items()} == {
        "brightness": [0.3, 0.2],
        "sharpness": [30.0, 20.0],
        "megapixels": [3.0, 2.0],
    }


def test_a_photo_that_the_table_lacks_is_an_error():
    table = pd.DataFrame({"image_id": ["a"], "brightness": [0.1], "sharpness": [1.0], "width": [1.0], "height": [1.0]})
    with pytest.raises(KeyError):
        photo_measures(table, ["b"])


def test_a_slice_that_a_resample_may_miss_has_an_interval_all_the_same():
    values = np.array([0.0, *range(1, 12)])
    found = sliced({"brightness": values}, np.zeros(12, int), values == 0, np.zeros(12, int) + (values > 5))
    assert all(isinstance(one, Slice) and 0 <= one.accuracy_interval.low <= 1 for one in flat(found))
