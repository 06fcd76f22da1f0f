import math
import shutil
from pathlib import Path

import pytest

from quality_gate.tracking import LONGEST_PARAMETER, find_run, flatten, open_run


@pytest.fixture(scope="module")
def uri(empty_mlflow_database, tmp_path_factory):
    path = tmp_path_factory.mktemp("tracking") / "mlflow.db"
    shutil.copyfile(empty_mlflow_database, path)
    return f"sqlite:///{path}"


@pytest.fixture
def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def open_named(uri, tmp_path, request):
    """Opens a run in an experiment of the test's own."""

    def named(run="training-1", experiment=None):
        return open_run(uri, tmp_path / "artifacts of runs", experiment or request.node.name, run)

    return named


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_step_of_a_run_finds_the_same_tracked_run(open_named):
    assert open_named("training-1").run_id == open_named("training-1").run_id


def test_runs_of_other_names_and_other_gates_are_others(open_named):
    runs = [open_named("a"), open_named("b"), open_named("a", "another gate"), open_named("ab"), open_named("a_")]
    assert len({run.run_id for run in runs}) == len(runs)


@pytest.mark.parametrize("name", ["it's", 'say "it"', 'it\'s "it"', "100%", "a_b", "back\\slash", "a;b -- c", "été 茄"])
def test_a_name_with_odd_characters_is_found_again_and_is_no_pattern(open_named, client, name):
    similar = open_named(name.replace("'", "x").replace('"', "x").replace("%", "xy").replace("_", "x") + "z")
    run = open_named(name)
    assert open_named(name).run_id == run.run_id != similar.run_id
    assert client.get_run(run.run_id).info.run_name == name


def test_a_run_is_found_though_many_look_like_it(open_named):
    wanted = open_named("a'c")
    for character in 'bde"':
        open_named(f"a{character}c")
    assert open_named("a'c").run_id == wanted.run_id


def test_an_experiment_that_was_deleted_is_used_again(open_named, client, request):
    before = open_named()
    client.delete_experiment(client.get_experiment_by_name(request.node.name).experiment_id)
    open_named("training-2").log_metrics({"loss": 1.0})
    assert open_named().run_id == before.run_id


def test_settings_become_parameters_with_dotted_names(open_named, client):
    run = open_named()
    run.log_parameters({"seed": 42, "data": {"source": "demo", "deep": {"er": None}}, "classes": ["a", "b"]})
    run.log_parameters({"seed": 42})
    expected = {"seed": "42", "data.source": "demo", "data.deep.er": "None", "classes": "['a', 'b']"}
    assert client.get_run(run.run_id).data.params == expected


def test_a_name_the_tracker_does_not_take_is_cleaned(open_named, client):
    run = open_named()
    run.log_parameters({"data": {"label_map": {"M&M's": None}}})
    assert client.get_run(run.run_id).data.params == {"data.label_map.M_M_s": "None"}


def test_a_parameter_longer_than_the_tracker_takes_is_cut(open_named, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    run = open_named()
    run.log_parameters({"source": "x" * 2 * LONGEST_PARAMETER})
    assert client.get_run(run.run_id).data.params == {"source": "x" * LONGEST_PARAMETER}


def test_undefined_figures_are_left_out_and_what_is_no_number_is_kept_as_such(open_named, client):
    run = open_named()
    run.log_metrics({"loss": None, "roc_auc": math.nan, "macro_f1": 0.9, "ece": 0.0})
    metrics = client.get_run(run.run_id).data.metrics
    assert sorted(metrics) == ["ece", "macro_f1", "roc_auc"]
    assert (metrics["macro_f1"], metrics["ece"]) == (0.9, 0.0)
    assert math.isnan(metrics["roc_auc"])


def test_the_curve_of_a_figure_has_a_value_a_step(open_named, client):
    run = open_named()
    for step, loss in enumerate([0.9, 0.5, 0.4]):
        run.log_metrics({"train_loss": loss}, step=step)
    curve = client.get_metric_history(run.run_id, "train_loss")
    assert [(point.step, point.value) for point in curve] == [(0, 0.9), (1, 0.5), (2, 0.4)]


def test_names_are_cleaned_of_what_the_tracker_does_not_allow(open_named, client):
    run = open_named()
    run.log_metrics({"recall:red & blue (%)": 0.5, "rappel:été": 0.6})
    assert client.get_run(run.run_id).data.metrics == {"recall:red _ blue ___": 0.5, "rappel:été": 0.6}


def test_nothing_to_record_is_no_error(open_named, client):
    run = open_named()
    run.log_metrics({"loss": None})
    run.log_parameters({})
    run.log_tags({})
    data = client.get_run(run.run_id).data
    assert (data.metrics, data.params) == ({}, {})


def test_tags_find_a_run(open_named, client):
    run = open_named()
    run.log_tags({"data_digest": "d" * 64})
    assert client.get_run(run.run_id).data.tags["data_digest"] == "d" * 64


def test_files_are_kept_in_the_folder_that_was_given(open_named, tmp_path):
    from matplotlib.figure import Figure

    run = open_named()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    address = run.log_folder(tmp_path / "model", "model")
    run.log_figure(Figure(), "curve.png")
    assert Path(address).is_relative_to(tmp_path / "artifacts of runs")
    assert files(Path(address).parent) == ["curve.png", "model/model.json"]


@pytest.mark.parametrize(("succeeded", "status"), [(True, "FINISHED"), (False, "FAILED")])
def test_a_run_that_is_over_says_how_it_ended(open_named, client, succeeded, status):
    run = open_named()
    assert client.get_run(run.run_id).info.status == "RUNNING"
    run.finish(succeeded=succeeded)
    assert client.get_run(run.run_id).info.status == status


def test_without_a_folder_the_tracking_server_decides_where_files_lie(uri, client):
    open_run(uri, None, "served", "training-1")
    assert client.get_experiment_by_name("served").artifact_location


def test_nested_mappings_become_one():
    assert flatten({"a": 1, "b": {"c": {"d": 2}, "e": {}}}) == {"a": 1, "b.c.d": 2}


def test_a_run_begins_with_its_parameters_whichever_step_starts_it(uri, client, request):
    for seed in (1, 2):
        run = open_run(uri, None, request.node.name, "training-1", {"data": {"source": "demo"}, "seed": seed})
    assert client.get_run(run.run_id).data.params == {"data.source": "demo", "seed": "1"}


def test_a_run_is_looked_for_without_starting_it(uri, client, open_named, request):
    assert find_run(uri, request.node.name, "training-1") is None
    assert client.get_experiment_by_name(request.node.name) is None
    opened = open_named("training-1")
    assert find_run(uri, request.node.name, "training-1").run_id == opened.run_id
    assert find_run(uri, request.node.name, "training-2") is None


def test_a_nested_run_lies_below_its_run(open_named, client):
    parent = open_named()
    nested = parent.nested("1: the recipe")
    nested.log_metrics({"validation_macro_f1": 0.5}, step=1)
    nested.finish(succeeded=True)
    found = client.get_run(nested.run_id)
    assert found.data.tags["mlflow.parentRunId"] == parent.run_id
    assert (found.info.run_name, found.info.status) == ("1: the recipe", "FINISHED")
    assert found.info.experiment_id == client.get_run(parent.run_id).info.experiment_id


def test_more_figures_than_one_call_takes_are_all_recorded(open_named, client):
    run = open_named()
    run.log_metrics({f"test_recall/class {number}": number / 1100 for number in range(1100)})
    assert len(client.get_run(run.run_id).data.metrics) == 1100
