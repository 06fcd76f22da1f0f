import json

import pytest

from quality_gate.errors import UserError
from quality_gate.transfer_settings import TransferSettings


def values(study):
    return [record.value for record in study.records() if record.value is not None]


def test_the_recipe_is_tried_first(tuning):
    study, tried = tuning.run()
    assert tried[0] == TransferSettings(finetune_min_photos=0, learning_rate=1e-4)
    assert study.records()[0].settings == {}


def test_something_better_than_the_recipe_is_found(tuning):
    study, _ = tuning.run(trials=25)
    assert max(values(study)) > values(study)[0] + 0.2


def test_a_lower_brier_score_is_better(tuning):
    study, _ = tuning.run(trials=25, metric="brier")
    assert min(values(study)) < values(study)[0] - 0.2


def test_the_same_seed_tries_the_same_and_another_one_does_not(tuning, another, tmp_path):
    _, tried = tuning.run()
    _, again = another.run()
    assert tried == again
    another.path = another.path.with_stem("two")
    assert another.run(seed=1)[1] != tried


def test_a_hopeless_trial_is_ended_before_its_last_pass(tuning):
    study, _ = tuning.run(trials=25)
    pruned = [record for record in study.records() if record.state == "pruned"]
    assert pruned
    assert all(2 <= len(record.epochs) < 4 and record.value is None for record in pruned)


def test_no_trial_begins_after_the_time_and_the_one_under_way_ends_with_its_pass(tuning, formula):
    # Four seconds a trial: the third is over time at its second pass.
    study, tried = tuning.run(formula(tuning.clock), minutes=10 / 60)
    assert len(tried) == 3
    assert [record.state for record in study.records()] == ["complete", "complete", "stopped"]
    assert len(study.records()[2].epochs) == 2
    assert tuning.clock.now == 10


def test_too_little_time_for_the_recipe_is_told_and_more_goes_on_with_it(tuning, formula):
    with pytest.raises(UserError, match=r"tuning.minutes is 0.05, and they were over before the first trial"):
        tuning.run(formula(tuning.clock), minutes=0.05)
    study, tried = tuning.run(trials=3)
    assert tried[0].learning_rate == 1e-4
    assert [record.state for record in study.records()] == ["stopped", "complete", "complete", "complete"]


def test_an_interrupted_tuning_goes_on_where_it_was(tuning, another, formula):
    _, expected = another.run()

    def killed(settings, on_epoch):
        if len(first.tried) == 6:
            raise KeyboardInterrupt
        return first(settings, on_epoch)

    first = formula(tuning.clock)
    with pytest.raises(KeyboardInterrupt):
        tuning.run(killed)
    assert [run.succeeded for run in tuning.tracked.runs] == [True] * 6 + [False]
    study, rest = tuning.run()
    assert first.tried + rest == expected
    assert len(study.done()) == 12
    assert "tuning: goes on after 6 trials of earlier runs" in tuning.listener.lines


def test_a_study_that_has_all_its_trials_tries_no_more(tuning):
    tuning.run()
    assert tuning.run()[1] == []
    assert len(tuning.run(trials=14)[1]) == 2


def test_settings_that_cannot_be_trained_with_fail_alone(tuning, formula):
    def formula_of(settings):
        if settings.class_balance == "loss":
            raise UserError("Training diverged.")
        return 0.5

    study, _ = tuning.run(formula(tuning.clock, formula_of), trials=20)
    failed = [record for record in study.records() if record.state == "failed"]
    assert failed
    assert {record.note for record in failed} == {"Training diverged."}
    assert len(study.done()) == 20


def test_a_recipe_that_cannot_be_trained_with_is_told(tuning, formula):
    def impossible(settings):
        raise UserError("The weights cannot be had.")

    with pytest.raises(UserError, match="The weights cannot be had"):
        tuning.run(formula(tuning.clock, impossible))


def test_each_trial_has_a_tracked_run_with_its_settings_and_its_curve(tuning):
    study, tried = tuning.run(trials=3)
    assert [run.parameters["transfer"]["learning_rate"] for run in tuning.tracked.runs] == [
        one.learning_rate for one in tried
    ]
    first = tuning.tracked.runs[0]
    assert [step for step, figures in first.metrics if "validation_macro_f1" in figures] == [0, 1, 2, 3]
    assert (0, {"macro_f1": study.records()[0].value}) in first.metrics
    assert first.tags == {"state": "complete"}
    assert first.succeeded


def test_every_trial_is_told_with_what_is_best_so_far(tuning):
    study, _ = tuning.run(trials=2)
    value = f"{study.records()[0].value:.3f}"
    assert tuning.listener.lines[:2] == [
        "tuning: trial 1: the recipe",
        f"tuning: trial 1 macro F1 {value}, best so far {value}; 1 of 2 trials, 4 s",
    ]


def test_what_is_kept_of_a_trial_is_plain_json(tuning):
    study, _ = tuning.run(trials=3)
    assert all(json.dumps(dict(record.settings)) for record in study.records())
