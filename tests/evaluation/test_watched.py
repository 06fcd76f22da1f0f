import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.errors import UserError
from quality_gate.evaluation.bootstrap import recall_interval
from quality_gate.evaluation.watched import (
    measure_watched,
    photos_to_claim,
    recall_curve,
    threshold_for_recall,
    too_few_to_claim,
    watch,
    watched_sentence,
)
from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.models.watched_class import WatchedClass, answer
from quality_gate.settings import WatchedClassSettings

ROUTING = RoutingCertificate(0.05, 0.1, 0.8, 0.9, 90, 1, 100, 0.04)
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2])
# Of the class 0: found as the most probable, found by the threshold, missed in doubt, missed and accepted.
PROBABILITIES = np.array(
    [
        [0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.05, 0.9, 0.05],
        [0.3, 0.7, 0.0], [0.1, 0.9, 0.0], [0.0, 0.4, 0.6], [0.0, 0.1, 0.9],
    ]
)  # fmt: skip
CHOSEN = WatchedClass("onion", 0.9, 0.3, 4, 1)


@pytest.fixture
def photos_of_onions(make_photos):
    return make_photos(8, labels=LABELS)


@settings(deadline=None, max_examples=100)
@given(photos=st.lists(st.floats(0, 1), min_size=1, max_size=60), min_recall=st.floats(0.01, 0.99))
def test_the_recall_asked_for_is_reached_and_no_higher_threshold_reaches_it(photos, min_recall):
    probabilities = np.array(photos)
    threshold = threshold_for_recall(probabilities, min_recall)
    assert (probabilities >= threshold).mean() >= min_recall - 1e-9
    assert threshold == 0.5 or (probabilities > threshold).mean() < min_recall


@settings(deadline=None, max_examples=60)
@given(photos=st.lists(st.floats(0, 1), min_size=1, max_size=60), shares=st.tuples(*[st.floats(0.01, 0.99)] * 2))
def test_whoever_asks_for_a_higher_recall_gets_no_higher_threshold(photos, shares):
    little, much = (threshold_for_recall(np.array(photos), share) for share in sorted(shares))
    assert much <= little


def test_a_share_that_binary_fractions_miss_asks_for_no_photo_more():
    assert threshold_for_recall(np.linspace(0.01, 0.5, 100), 0.07) == pytest.approx(0.5 - 6 * 0.49 / 99)


@pytest.fixture(scope="module")
def thirty(make_photos):
    return make_photos(30)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), min_recall=st.floats(0.05, 0.95))
def test_the_answers_on_validation_reach_the_recall(seed, min_recall, thirty):
    photos = thirty
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), 30)
    chosen = watch(probabilities, photos, WatchedClassSettings(label="potato", min_recall=min_recall))
    found = answer(probabilities, photos.classes, chosen)[0][photos.labels == 1] == 1
    assert found.mean() >= min_recall - 1e-9
    assert (chosen.photos, chosen.missed) == (10, int((~found).sum()))


def test_of_a_duplicate_group_one_photo_is_counted(make_photos):
    photos = make_photos(6, labels=np.zeros(6, dtype=np.int64), groups=[0, 0, 0, 1, 2, 3])
    probabilities = np.array([[0.1, 0.9, 0]] * 3 + [[0.3, 0.7, 0], [0.4, 0.6, 0], [0.45, 0.55, 0]])
    chosen = watch(probabilities, photos, WatchedClassSettings(label="onion", min_recall=0.75))
    assert (chosen.photos, chosen.missed, chosen.threshold) == (4, 1, 0.3)


def test_a_class_that_is_none_is_named_with_those_that_are(make_photos):
    with pytest.raises(UserError, match=r"watched_class\.label is 'leek': expected .* one of onion, potato, tomato"):
        watch(np.full((6, 3), 1 / 3), make_photos(6), WatchedClassSettings(label="leek", min_recall=0.9))


def test_a_class_without_a_validation_photo_cannot_be_watched(make_photos):
    photos = make_photos(6, labels=np.zeros(6, dtype=np.int64))
    with pytest.raises(UserError, match="no validation photo of tomato"):
        watch(np.full((6, 3), 1 / 3), photos, WatchedClassSettings(label="tomato", min_recall=0.9))


def test_a_recall_is_claimed_only_with_so_many_photos_that_chance_would_rarely_find_them_all():
    enough = photos_to_claim(0.98, 0.1)
    assert 0.98**enough <= 0.1 < 0.98 ** (enough - 1)
    few = WatchedClass("defect", 0.98, 0.2, enough - 1, 0)
    assert "113 validation photos of it cannot show a recall of 0.98 with confidence 0.9" in too_few_to_claim(few, 0.1)
    assert too_few_to_claim(replace(few, photos=enough), 0.1) == ""


def test_the_sentence_tells_threshold_and_recall_and_warns_where_it_is_a_guess():
    assert watched_sentence(replace(CHOSEN, photos=400, missed=3), 0.1) == (
        "onion is the answer from a probability of 0.300 on, which finds 397 of 400 validation photos"
    )
    assert "warning: the threshold of onion is a guess" in watched_sentence(CHOSEN, 0.1)


def test_the_class_is_measured_by_the_answers_that_are_served(photos_of_onions):
    watched = measure_watched(photos_of_onions, PROBABILITIES, CHOSEN, ROUTING)
    assert (watched.photos, watched.missed, watched.missed_unseen, watched.false_alarms) == (4, 2, 1, 1)
    assert (watched.recall, watched.false_alarm_rate) == (0.5, 0.25)
    assert watched.precision == pytest.approx(2 / 3)
    assert watched.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))


def test_the_intervals_are_exact_and_those_of_f1_follow_the_share_it_rises_with(photos_of_onions):
    intervals = measure_watched(photos_of_onions, PROBABILITIES, CHOSEN, ROUTING).intervals
    assert intervals["recall"] == recall_interval(0.5, np.ones(4))
    assert intervals["precision"] == recall_interval(2 / 3, np.ones(3))
    jaccard = recall_interval(2 / 5, np.ones(5))
    assert (intervals["f1"].low, intervals["f1"].high) == tuple(
        2 * end / (1 + end) for end in (jaccard.low, jaccard.high)
    )


def test_copies_of_photos_narrow_no_interval(make_photos):
    photos = make_photos(16, labels=np.tile(LABELS, 2), groups=np.tile(np.arange(8), 2).tolist())
    copied = measure_watched(photos, np.tile(PROBABILITIES, (2, 1)), CHOSEN, ROUTING)
    once = measure_watched(make_photos(8, labels=LABELS), PROBABILITIES, CHOSEN, ROUTING)
    assert copied.intervals == once.intervals


def test_without_a_test_photo_of_the_class_its_recall_is_undefined_and_survives_the_file(make_photos):
    photos = make_photos(4, labels=np.array([1, 1, 2, 2]))
    watched = measure_watched(photos, PROBABILITIES[4:], CHOSEN, ROUTING)
    assert math.isnan(watched.recall)
    back = WatchedScores.from_json(json.loads(json.dumps(watched.to_json(), allow_nan=False)))
    assert repr(back) == repr(watched)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000))
def test_the_curve_rises_from_nothing_to_everything_and_passes_the_rates_of_every_threshold(seed):
    rng = np.random.default_rng(seed)
    labels, probabilities = np.arange(20) % 2, rng.dirichlet(np.ones(2), 20).round(1)
    false_alarms, recall = recall_curve(labels, probabilities, 0)
    for rate in (false_alarms, recall):
        assert (rate[0], rate[-1]) == (0, 1)
        assert (np.diff(rate) >= 0).all()
    point = ((probabilities[labels == 1, 0] >= 0.3).mean(), (probabilities[labels == 0, 0] >= 0.3).mean())
    assert point in set(zip(false_alarms.tolist(), recall.tolist(), strict=True))
