from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.scores import Margin, MemberScores
from quality_gate.evaluation.slices import Slice
from quality_gate.reports.key_findings import Background, background, key_findings
from quality_gate.settings import TrainingSettings

CLASSES = ("onion", "potato", "tomato")
KNOWN = Background(100, 2, 3, {"onion": 10, "potato": 30, "tomato": 20}, "resnet18", "resnet18", "sampler", 0.8)
LABELS = np.array([0, 0, 0, 1, 1, 2])
ANSWERS = np.array([1, 1, 0, 1, 1, 2])
DARK = Slice("brightness", "dark", 0.1, 0.3, 40, 0.7, Interval(0.6, 0.8), 0.7, Interval(0.6, 0.8), -0.1)


@pytest.fixture
def rows(make_evaluation):
    """The findings by dimension."""

    def made(known=KNOWN, slices=None, **changes):
        found = key_findings(make_evaluation(**changes), known, LABELS, ANSWERS, slices or {})
        return {row.dimension: (row.finding, row.meaning) for row in found}

    return made


def test_data_quality_counts_what_is_not_used(rows):
    found, meaning = rows()["Data quality"]
    assert found == "2 of 100 files cannot be read, 3 more are left out"
    assert meaning == "split.html lists each with its reason"
    assert rows(replace(KNOWN, unreadable=0, left_out=0))["Data quality"][1] == "every file is used"


def test_class_balance_says_what_evens_it_out(rows):
    found, meaning = rows()["Class balance"]
    assert found == "10 (onion) to 30 (potato) training photos a class"
    assert "every class is drawn equally often" in meaning
    even = replace(KNOWN, learnt={"onion": 20, "potato": 30})
    assert rows(even)["Class balance"][1] == "even enough to need nothing"


def test_classes_with_as_many_photos_are_told_in_one_number(rows):
    found, meaning = rows(replace(KNOWN, learnt={"onion": 1112, "potato": 1112}))["Class balance"]
    assert (found, meaning) == ("1,112 training photos a class", "even enough to need nothing")


def test_the_model_is_told_with_its_lead_its_cost_and_whom_it_replaces(rows):
    found, meaning = rows(replace(KNOWN, wanted="resnet50"))["Model"]
    assert found == "resnet18 (in place of resnet50): macro F1 +0.200 over histogram, +0.150 over scratch"
    assert meaning == "what it costs: 13.5 MB, 21 ms of a thread a photo"


def test_the_weakest_class_is_told_with_what_it_is_taken_for(rows, make_scores):
    found = rows(candidate=make_scores({"onion": 0.3333}))
    assert found["Lowest recall"] == ("onion: 0.333 (0.123 to 0.987)", "most often taken for potato: 2 of 3 photos")
    assert "below 0.8 in production it is trained anew" in found["Lowest precision"][1]
    assert "trained anew" not in rows(replace(KNOWN, min_precision=None))["Lowest precision"][1]


def test_calibration_and_the_certificate_are_told_in_photos(rows, make_evaluation):
    found = rows()
    assert found["Calibration"] == (
        "Brier score 0.080 of the answer, 0.150 of all classes", "a confidence is off by 3.0 points, in the mean",
    )  # fmt: skip
    assert found["Accept or review"][1].startswith(
        "of 1,000 photos 200 go to review; of the others at most 40 are wrong"
    )
    nothing = replace(make_evaluation().routing, threshold=None, risk_upper_bound=None)
    assert rows(routing=nothing)["Accept or review"] == (
        "no threshold could be certified", "every answer goes to review",
    )  # fmt: skip


def test_slices_are_told_only_where_there_are_enough_photos(rows):
    assert "Light, sharpness, size" not in rows(slices={"brightness": [replace(DARK, photos=29)]})
    found = rows(slices={"brightness": [DARK]})["Light, sharpness, size"]
    assert found == ("lowest accuracy 0.700 on dark photos, 0.900 on all", "clearly worse: dark photos")


@pytest.mark.parametrize(("low", "meaning"), [(0.001, "it pays"), (-0.002, "a gain is not shown: one network would")])
def test_an_ensemble_is_held_against_its_best_member(rows, make_scores, low, meaning):
    members = (
        MemberScores("resnet18", 0.8, make_scores(macro_f1=0.89), Margin(0.01, Interval(low, 0.02))),
        MemberScores("compact_cnn", 0.2, make_scores(macro_f1=0.7), Margin(0.2, Interval(0.1, 0.3))),
    )
    found = rows(members=members)["Ensemble"]
    assert found[0].endswith("over resnet18 alone")
    assert found[1].startswith(meaning)
    assert "Ensemble" not in rows()


def test_the_background_is_counted_from_the_table_of_the_split():
    table = pd.DataFrame(
        {
            "is_readable": [True, True, True, False, True],
            "split": ["train", "train", "test", "", ""],
            "label": ["onion", "onion", "tomato", "onion", "potato"],
        }
    )
    manifest = SimpleNamespace(architecture="efficientnet_lite0", classes=CLASSES, members=())
    found = background(manifest, table, TrainingSettings.model_validate({"transfer": {"model": "resnet18"}}))
    assert (found.files, found.unreadable, found.left_out) == (5, 1, 1)
    assert found.learnt == {"onion": 2, "potato": 0, "tomato": 0}
    assert (found.architecture, found.wanted) == ("efficientnet_lite0", "resnet18")
