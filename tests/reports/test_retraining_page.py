import re
from html import unescape
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from quality_gate.data.scenes import encode_scene
from quality_gate.evaluation.bootstrap import Interval, PairedDifference
from quality_gate.evaluation.measured import Measured
from quality_gate.evaluation.scores import ChampionComparison, RollingTest
from quality_gate.reports.retraining_page import retraining_page

CLASSES = ("onion", "potato", "tomato")
# Right class of four reviewed photos, and what each model answers.
TRUTH, FORMER, NOW = [0, 1, 2, 2], [0, 0, 2, 2], [0, 1, 2, 0]
TABLE = pd.DataFrame(
    {
        "image_id": ["0", "1", "2", "3", "4"],
        # The last is of a class that is called so.
        "path": ["potato/1.jpg", "reviewed/photos/1", "reviewed/photos/2", "reviewed/photos/3", "reviewed/1.jpg"],
        "split": ["train", "rolling_test", "", "train", "train"],
    }
)


def answered(numbers):
    return np.eye(3)[numbers]


@pytest.fixture
def rolling():
    photos = {f"photo {number}": encode_scene("potato", number, size=64) for number in range(4)}
    snapshot = SimpleNamespace(photos=lambda image_ids: (photos[one] for one in image_ids))
    return SimpleNamespace(snapshot=snapshot, image_ids=tuple(photos), classes=CLASSES, labels=np.array(TRUTH))


@pytest.fixture
def page(make_evaluation, make_scores, rolling):
    """Makes the text of the page; without a champion there is nothing to compare with."""

    def make(*, champion=True, held_back=None, mistaken=(), copies=1):
        comparison = None
        if champion:
            difference = PairedDifference(0.02, Interval(-0.01, 0.05), -0.005)
            comparison = ChampionComparison("3", CLASSES, make_scores({"tomato": 0.25}), difference)
        found = RollingTest(4, make_scores(macro_f1=0.75), comparison)
        answers = {"candidate": answered(NOW)} | ({"champion": answered(FORMER)} if champion else {})
        measured = Measured(make_evaluation(champion=comparison, rolling=found), {}, answers)
        html = retraining_page(
            measured,
            rolling,
            TABLE,
            [path for path in TABLE["path"] if path.startswith("reviewed/photos/")],
            name="belt",
            said=["3 photos are labelled"],
            held_back=held_back or {},
            mistaken=mistaken,
            copies=copies,
        )
        assert "<script" not in html
        return unescape(re.sub(r"<style>.*?</style>|<[^>]+>|\s+", " ", html, flags=re.DOTALL))

    return make


def test_both_models_stand_side_by_side_on_both_test_sets(page):
    text = re.sub(r"\s+", " ", page())
    assert "60 fixed test photos champion 3 0.900 (0.123 to 0.987)" in text
    assert "4 reviewed photos champion 3" in text
    assert "candidate 0.750 (0.123 to 0.987)" in text
    assert text.count("difference +0.020 (−0.010 to 0.050)") == 2


def test_it_says_where_reviewed_photos_went_and_passes_over_others(page):
    text = re.sub(r"\s+", " ", page())
    assert "3 photos are labelled" in text
    assert "train 1 rolling test 1 left out 1" in text


@pytest.mark.parametrize(("copies", "often"), [(1, "once, as any other"), (4, "4 times")])
def test_it_says_how_many_hard_negatives_were_learnt_from_and_how_often_each_counted(page, copies, often):
    text = re.sub(r"\s+", " ", page(mistaken=["1", "2", "3"], copies=copies))
    assert f"Of the photos to learn from, 1 had been answered wrongly; each counts {often}" in text
    assert "answered wrongly" not in page(mistaken=["1"], copies=copies)


def test_photos_that_are_answered_otherwise_are_shown_on_their_side(page):
    text = re.sub(r"\s+", " ", page())
    assert "1 wrong before, right now potato onion → potato" in text
    assert "1 right before, wrong now tomato tomato → onion" in text


def test_without_a_champion_only_the_candidate_is_shown(page):
    text = re.sub(r"\s+", " ", page(champion=False))
    assert "champion 3" not in text
    assert "answered otherwise" not in text


def test_photos_on_which_reviewers_disagree_are_listed_with_who_said_what(page):
    text = re.sub(r"\s+", " ", page(held_back={"a" * 64: {"ana": "potato", "ben": "onion"}}))
    assert f"{'a' * 16}… ana: potato , ben: onion" in text or f"{'a' * 16}… ana: potato, ben: onion" in text
