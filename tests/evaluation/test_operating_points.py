from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.evaluation.operating_points import Answers, operating_point, operating_points
from quality_gate.models.manifest import RoutingCertificate

CONFIDENCE = np.array([0.9, 0.8, 0.8, 0.6, 0.4])
CORRECT = np.array([True, True, False, False, True])
ANSWERS = Answers(CONFIDENCE, CORRECT, np.arange(5), 200, 3)
IN_USE = RoutingCertificate(0.05, 0.1, 0.8, 0.6, 60, 0, 100, 0.04)
STRICTER = replace(IN_USE, alpha=0.025, threshold=0.9)
LOOSER = replace(IN_USE, alpha=0.1, threshold=0.5)


def test_a_point_counts_what_is_accepted_and_what_of_it_is_wrong():
    point = operating_point(0.8, IN_USE, ANSWERS)
    assert (point.accepted_photos, point.wrong_photos) == (3, 1)
    assert (point.accepted.value, point.wrong.value) == (0.6, 0.2)
    for share in (point.accepted, point.wrong):
        assert share.interval.low <= share.value <= share.interval.high


def test_without_a_threshold_nothing_is_accepted():
    point = operating_point(None, IN_USE, ANSWERS)
    assert (point.accepted_photos, point.wrong_photos) == (0, 0)


def test_what_was_never_seen_has_the_exact_interval_of_as_many_groups():
    none, every = operating_point(None, IN_USE, ANSWERS).accepted, operating_point(0.0, IN_USE, ANSWERS).accepted
    upper = 1 - 0.025 ** (1 / 5)
    assert (none.interval.low, none.interval.high) == (0, pytest.approx(upper))
    assert (every.interval.low, every.interval.high) == (pytest.approx(1 - upper), 1)


def test_copies_of_photos_are_no_further_evidence():
    copies = Answers(np.tile(CONFIDENCE, 4), np.tile(CORRECT, 4), np.tile(np.arange(5), 4), 200, 3)
    for threshold in (None, 0.5, 0.8):
        once, often = (operating_point(threshold, IN_USE, answers) for answers in (ANSWERS, copies))
        assert often.accepted.interval == once.accepted.interval
        assert often.wrong.interval == once.wrong.interval


def test_the_certificate_in_use_stands_between_the_stricter_and_the_looser():
    points = operating_points(IN_USE, (LOOSER, STRICTER), ANSWERS)
    assert [point.certificate for point in points] == [STRICTER, IN_USE, LOOSER]
    assert [point.threshold for point in points] == [0.9, 0.8, 0.5]
    assert [point.in_use for point in points] == [False, True, False]


def test_a_promise_that_could_not_be_proven_gives_way_to_a_plain_confidence():
    points = operating_points(IN_USE, (replace(STRICTER, threshold=None), replace(LOOSER, threshold=None)), ANSWERS)
    assert [(point.threshold, point.certificate) for point in points] == [(0.99, None), (0.8, IN_USE), (0.5, None)]


def test_without_a_certificate_at_all_plain_confidences_are_compared_with_accepting_nothing():
    points = operating_points(replace(IN_USE, threshold=None), (), ANSWERS)
    assert [(point.threshold, point.accepted_photos) for point in points] == [(0.99, 0), (None, 0), (0.5, 4)]
    assert [point.in_use for point in points] == [False, True, False]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 1000), low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_looser_threshold_accepts_no_less_and_errs_no_less(seed, low, high):
    rng = np.random.default_rng(seed)
    answers = Answers(rng.random(20), rng.random(20) < 0.7, np.arange(20), 10, seed)
    loose, strict = (operating_point(threshold, None, answers) for threshold in sorted((low, high)))
    assert loose.accepted_photos >= strict.accepted_photos
    assert loose.wrong_photos >= strict.wrong_photos
    assert loose.wrong_photos <= loose.accepted_photos
