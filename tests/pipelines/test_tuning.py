"""``zenml pipeline run tuning``: better settings for the demo photos, and what a user can do wrong with it."""

import re
from pathlib import Path

import pytest
import yaml

from quality_gate.settings import TrainingSettings

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


def file_of(said, name):
    return Path(re.search(rf"(/\S*{name})$", said, re.MULTILINE)[1])


def test_three_trials_are_told_and_the_first_is_the_recipe(tuned):
    assert "tuning: trial 1: the recipe" in tuned
    assert re.search(r"tuning: trial 3 .*; 3 of 3 trials", tuned)
    assert re.search(r"^tuning: 3 trials; best validation macro F1 \d\.\d+ of trial \d", tuned, re.MULTILINE)


def test_what_is_left_to_the_recipe_by_null_stays(tuned):
    assert "mixup" not in "".join(line for line in tuned.splitlines() if line.startswith("tuning: trial"))


def test_the_command_that_is_printed_trains_with_the_best_settings(tuned, checkout):
    file = file_of(tuned, "best.yaml")
    found = TrainingSettings.model_validate(yaml.safe_load(file.read_text())["parameters"])
    assert (found.name, found.transfer.size) == ("tuned", 64)
    assert f"train with them: zenml pipeline run training --config {file}" in tuned
    code, said = checkout.run("zenml", "pipeline", "run", "training", "--config", str(file))
    assert code == 0, said
    assert "champion: tuned:1" in said


def test_each_trial_is_a_run_below_that_of_the_tuning(tuned, gate):
    client = gate.mlflow()
    experiment = client.get_experiment_by_name("tuned").experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if run.info.run_name.startswith("tuning")]
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(nested) == 3
    assert {run.info.status for run in [parent, *nested]} == {"FINISHED"}
    assert all("validation_macro_f1" in run.data.metrics for run in nested)
    assert parent.data.metrics["trials"] == 3


def test_the_same_command_goes_on_where_it_was(tuned, tune):
    code, said = tune(4)
    assert code == 0, said
    assert "tuning: goes on after 3 trials of earlier runs" in said
    assert "Step `split` has started" not in said
    assert re.search(r"tuning: trial 4: ", said)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"minutes": 0}, "tuning.yaml: tuning.minutes is 0: input should be greater than 0"),
        ({"search": {"learnin_rate": [0.1]}}, "tuning.search.learnin_rate is no setting; check its spelling"),
        ({"search": {"batch_size": []}}, "tuning.search.batch_size is []: expected one value or more, each once"),
        ({"search": {"class_balance": {"low": 0, "high": 1}}}, "tuning.search.class_balance is "),
    ],
)
def test_a_wrong_setting_is_one_sentence(tune, wrong, told):
    code, said = tune(3, **wrong)
    assert (code, told in said, "Traceback" in said) == (1, True, False), said
