import json

import pytest
import yaml

from quality_gate.settings import TrainingSettings
from quality_gate.training.history import Epoch
from quality_gate.tuning.result import Importance, TrialRecord, TuningResult, configuration, overlay


def trial(number, value=None, state="complete", **settings):
    epochs = (Epoch(0, None, 0.5, 0.7, 1e-4, True, brier=0.3),)
    return TrialRecord(number, state, value, settings, epochs, 1.5)


def result(*trials, metric="macro_f1"):
    return TuningResult(metric, trials, Importance({"mixup": 1.0}, 5), 80, 20, "a" * 64)


def test_the_best_is_the_highest_macro_f1_and_the_lowest_brier_score():
    trials = (trial(1, 0.5), trial(2, 0.7), trial(3, 0.3), trial(4, None, "pruned"))
    assert result(*trials).best.number == 2
    assert result(*trials, metric="brier").best.number == 3


def test_among_equals_the_recipe_is_best():
    found = result(trial(1, 0.7), trial(2, 0.7, mixup=0.3))
    assert (found.best.number, found.gain) == (1, 0)


@pytest.mark.parametrize("metric", ["macro_f1", "brier"])
def test_the_gain_is_that_over_the_recipe(metric):
    found = result(trial(1, None, "stopped"), trial(2, 0.5), trial(3, 0.7), trial(4, 0.3), metric=metric)
    assert found.recipe.number == 2
    assert found.gain == pytest.approx(0.2)


def test_a_result_comes_back_from_json_as_it_was():
    made = result(trial(1, 0.5), trial(2, 0.7, training_views=["crop"], mixup=0.3), trial(3, None, "failed"))
    assert TuningResult.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_overlay_holds_only_what_is_not_the_recipes():
    found = yaml.safe_load(overlay({"learning_rate": 1e-05, "training_views": ["crop"]}))
    assert found == {"parameters": {"transfer": {"learning_rate": 1e-05, "training_views": ["crop"]}}}


def test_the_configuration_makes_the_settings_of_the_run_with_the_best_ones():
    run = TrainingSettings.model_validate(
        {
            "name": "produce", "seed": 3, "data": {"source": "/photos", "label_map": {"rotten": "waste", "hat": None}},
            "transfer": {"size": 96, "patience": 4}, "tuning": {"minutes": 3, "search": {"mixup": None}},
        }
    )  # fmt: skip
    text = configuration(run, {"learning_rate": 3.1e-05, "training_views": ["crop"]})
    found = TrainingSettings.model_validate(yaml.safe_load(text)["parameters"])
    transfer = run.transfer.model_copy(update={"learning_rate": 3.1e-05, "training_views": ("crop",)})
    assert found == run.model_copy(update={"transfer": transfer, "tuning": TrainingSettings().tuning})
    assert "baselines" not in text
