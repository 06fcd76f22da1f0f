import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.models.watched_class import WatchedClass, answer

CLASSES = ("defect", "ok", "scrap")


def watched(threshold, label="defect"):
    return WatchedClass(label, 0.9, threshold, 40, 4)


def test_the_watched_class_is_the_answer_from_its_threshold_on_and_no_surer_than_it_is_probable():
    probabilities = np.array([[0.2, 0.7, 0.1], [0.19, 0.71, 0.1], [0.6, 0.3, 0.1]])
    numbers, confidence = answer(probabilities, CLASSES, watched(0.2))
    assert numbers.tolist() == [0, 1, 0]
    assert confidence.tolist() == [0.2, 0.71, 0.6]


def test_without_one_the_most_probable_class_is_the_answer():
    numbers, confidence = answer(np.array([[0.3, 0.6, 0.1]]), CLASSES, None)
    assert (numbers.tolist(), confidence.tolist()) == ([1], [0.6])


def test_where_it_is_the_most_probable_class_it_is_the_answer_below_the_threshold_too():
    assert answer(np.array([[0.4, 0.3, 0.3]]), CLASSES, watched(0.5))[0].tolist() == [0]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1000), low=st.floats(0, 0.5), high=st.floats(0, 0.5))
def test_a_lower_threshold_only_adds_answers_of_the_class(seed, low, high):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), 30)
    lower, higher = (answer(probabilities, CLASSES, watched(threshold))[0] for threshold in sorted((low, high)))
    assert (lower[higher == 0] == 0).all()
    assert (lower[lower != higher] == 0).all()
    assert (probabilities[lower != 0, 0] < min(low, high)).all()


@pytest.mark.parametrize("threshold", [-0.01, 0.51, float("nan")])
def test_a_threshold_that_would_take_answers_away_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold of defect"):
        watched(threshold)
