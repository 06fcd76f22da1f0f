import json
from dataclasses import replace
from math import nan

import pytest

from quality_gate.evaluation.bootstrap import Interval, PairedDifference
from quality_gate.evaluation.scores import ChampionComparison, Evaluation, Scores
from quality_gate.models.manifest import RoutingCertificate

NOTHING_CERTIFIED = RoutingCertificate(0.05, 0.1, None, 0.0, 0, 0, 20, None)


def through_json(value):
    return type(value).from_json(json.loads(json.dumps(value.to_json(), allow_nan=False)))


@pytest.fixture
def champions(make_scores):
    return {
        "none": None,
        "comparable": ChampionComparison(
            "3", ("onion", "tomato"), make_scores(), PairedDifference(0.01, Interval(-0.02, 0.04), -0.015), -0.1
        ),
        "other classes": ChampionComparison("3", ("apple",), None, None),
    }


@pytest.mark.parametrize("champion", ["none", "comparable", "other classes"])
def test_an_evaluation_is_the_same_after_it_went_through_json(make_evaluation, champions, champion):
    evaluation = make_evaluation(champion=champions[champion], routing=NOTHING_CERTIFIED)
    assert through_json(evaluation) == evaluation


def test_what_is_undefined_stays_undefined(make_scores):
    scores = make_scores(roc_auc_ovr=nan)
    scores = Scores(scores.metrics, {**scores.intervals, "recall:onion": Interval(nan, nan)})
    assert repr(through_json(scores)) == repr(scores)


def test_classes_keep_their_order(make_evaluation):
    evaluation = make_evaluation(classes=("tomato", "onion", "été"))
    assert through_json(evaluation).classes == ("tomato", "onion", "été")


@pytest.mark.parametrize("field", ["candidate", "routing", "classes", "export_difference"])
def test_an_evaluation_without_a_field_is_none(make_evaluation, field):
    values = make_evaluation().to_json()
    del values[field]
    with pytest.raises((KeyError, TypeError)):
        Evaluation.from_json(values)


def test_the_json_holds_figures_and_no_objects(make_evaluation):
    values = make_evaluation().to_json()
    assert values["candidate"]["metrics"]["macro_f1"] == 0.9
    assert values["candidate"]["metrics"]["per_class"]["onion"]["recall"] == 0.9
    assert values["candidate"]["intervals"]["brier"] == {"low": 0.123, "high": 0.987}
    assert values["baselines"]["scratch"]["metrics"]["macro_f1"] == 0.75
    assert values["routing"]["alpha"] == 0.05
    assert values == json.loads(json.dumps(replace(make_evaluation()).to_json())) | {"classes": values["classes"]}
