"""Repeated runs take what they found before where nothing has changed, and only there."""

import os
import re
import shutil
import time

import pytest

pytestmark = pytest.mark.pipeline

STEPS = {
    "ingest", "validate", "split", "find_suspects", "train_histogram_baseline", "train_scratch_baseline",
    "train_transfer", "calibrate", "find_rival", "evaluate", "gate", "prepare_serving", "promote", "package",
}  # fmt: skip

COUNT_MODEL_VERSIONS = """
from zenml.client import Client
print("COUNTED", Client().list_model_versions(model="visual_quality_gate").total)
"""


def steps_run(run):
    """The steps that were not cached."""
    assert run.code == 0, run.said
    cached = set(re.findall(r"Using cached version of step `(\w+)`", run.said))
    anew = set(re.findall(r"Step `(\w+)` has started", run.said))
    assert cached | anew == STEPS
    assert not cached & anew
    return anew


def written(gate):
    """The ledger of a gate, its MLflow runs and the folders of its reports."""
    experiment = gate.mlflow().get_experiment_by_name(gate.name)
    runs = gate.mlflow().search_runs([experiment.experiment_id])
    return gate.entries(), {run.info.run_id for run in runs}, set(gate.home.reports(gate.name).iterdir())


@pytest.fixture(scope="module")
def again(champion, train, gate):
    """The first run once more, with what there was before."""
    before = written(gate)
    return train("market.yaml"), before


class TestNothingChanged:
    def test_every_step_is_cached_and_the_run_says_so(self, again):
        run, _ = again
        assert steps_run(run) == set()
        assert "cached: 14 of 14 steps, since nothing they depend on has changed; nothing was left to do" in run.said

    def test_the_verdict_and_the_report_of_the_run_that_made_it_are_told(self, again, champion):
        run, _ = again
        (entry,) = champion.entries
        assert re.search(rf"^gate: passed in run {entry.run}; macro F1 0\.\d+, ", run.said, re.MULTILINE)
        assert f"champion: visual_quality_gate:1, promoted by run {entry.run}\n" in run.said
        assert f"report: {entry.report}\n" in run.said

    def test_nothing_is_written_anew(self, again, gate):
        _, before = again
        assert written(gate) == before
        assert gate.agrees_on("1")

    def test_zenml_has_no_more_model_versions(self, again, checkout):
        _, said = checkout.run("python", "-c", COUNT_MODEL_VERSIONS)
        assert "COUNTED 1" in said


@pytest.fixture(scope="module")
def photos_of_the_gate(photos, tmp_path_factory):
    """Photos that tests may touch."""
    folder = tmp_path_factory.mktemp("touched") / "market"
    shutil.copytree(photos, folder)
    return folder


@pytest.fixture(scope="module")
def season(champion, configure, train, gate, photos_of_the_gate):
    """A gate of its own: trains it with changed settings, as often as asked."""
    name = "four-seasons"

    def run(**changes):
        return train(configure("season.yaml", photos_of_the_gate, name=name, **changes))

    first = run()
    # The baselines know no gate.
    assert steps_run(first) == STEPS - {"train_histogram_baseline", "train_scratch_baseline"}
    return run, type(gate)(gate.home, name)


@pytest.mark.slow
class TestOneThingChanged:
    """One life of a gate, in this order."""

    def test_without_caching_every_step_runs_and_the_same_model_stays_champion(self, season):
        run, gate = season
        assert steps_run(run(enable_cache=False)) == STEPS
        assert [entry.event for entry in gate.entries()] == ["promoted"]
        assert gate.agrees_on("1")
        assert steps_run(run()) == set()

    def test_touched_photos_are_read_again_and_nothing_else_is_done(self, season, photos_of_the_gate, gate):
        run, gate = season
        for photo in (photos_of_the_gate / "train" / "onion").iterdir():
            os.utime(photo)
        assert steps_run(run()) == {"ingest", "find_rival"}
        assert gate.newest_mlflow_run().info.status == "FINISHED"
        assert steps_run(run()) == set()

    def test_other_limits_of_the_gate_ask_the_gate_again(self, season):
        run, gate = season
        assert steps_run(run(gate={"min_macro_f1": 0.01})) == {"gate", "promote"}
        assert gate.newest_mlflow_run().info.status == "FINISHED"
        assert gate.newest_mlflow_run().data.params["gate.min_macro_f1"] == "0.01"
        assert [entry.event for entry in gate.entries()] == ["promoted"]
        assert steps_run(run(gate={"min_macro_f1": 0.01})) == set()

    def test_a_changed_line_of_code_runs_the_steps_that_can_reach_it(self, season, checkout):
        run, _ = season
        page = checkout.root / "quality_gate" / "reports" / "evaluation_page.py"
        content = page.read_text()
        page.write_text(f"{content}\n")
        try:
            assert steps_run(run()) == {"gate", "promote"}
            assert steps_run(run()) == set()
        finally:
            page.write_text(content)

    def test_a_changed_line_of_the_training_that_makes_the_same_model_changes_nothing_after_it(self, season, checkout):
        run, _ = season
        module = checkout.root / "quality_gate" / "training" / "head.py"
        content = module.read_text()
        module.write_text(f"{content}\n")
        try:
            assert steps_run(run()) == {"find_suspects", "train_transfer", "find_rival"}
            assert steps_run(run()) == set()
        finally:
            module.write_text(content)

    def test_a_deleted_bento_is_packed_again(self, season):
        run, gate = season
        shutil.rmtree(gate.home.bentos / "bentos" / gate.name)
        assert steps_run(run()) == {"find_rival", "package"}
        assert gate.agrees_on("1")
        assert steps_run(run()) == set()

    @pytest.mark.parametrize("damage", [shutil.rmtree, lambda folder: next(folder.rglob("*.parquet")).unlink()])
    def test_what_was_removed_from_the_artifact_store_is_made_again(self, season, checkout, damage):
        run, _ = season
        kept = (checkout.root / ".quality_gate" / "zenml" / "local_stores").glob("*/split/split/*")
        damage(max(kept, key=lambda folder: folder.stat().st_mtime))
        assert steps_run(run()) == {"split"}

    def test_another_model_is_compared_with_the_champion_and_replaces_it(self, season):
        run, gate = season
        assert steps_run(run(seed=7)) == STEPS - {"ingest", "validate"}
        assert gate.agrees_on("2")
        assert steps_run(run(seed=7)) == set()

    def test_interrupted_between_promotion_and_package_the_next_run_packs(self, season):
        run, gate = season
        store = gate.home.bentos / "bentos" / gate.name
        (former,) = store.glob("1-*")
        (store / "latest").write_text(former.name)
        assert steps_run(run(seed=7)) == {"find_rival", "package"}
        assert gate.agrees_on("2")

    def test_the_former_settings_are_compared_with_the_new_champion(self, season):
        run, gate = season
        assert steps_run(run()) == {"find_rival", "evaluate", "gate", "prepare_serving", "promote", "package"}
        assert gate.agrees_on("3")
        assert steps_run(run()) == set()

    def test_after_a_rollback_the_run_promotes_again(self, season, checkout):
        run, gate = season
        code, said = checkout.run("quality-gate", "rollback", "--name", gate.name)
        assert code == 0, said
        assert gate.agrees_on("2")
        assert steps_run(run(seed=7)) == {"find_rival"} | {"package"}
        assert gate.agrees_on("2")
        assert steps_run(run()) == {"find_rival", "promote", "package"}
        assert gate.agrees_on("4")


@pytest.fixture(scope="module")
def started(champion, checkout, configure, photos):
    """Two gates that train at once, and a second run of the first."""
    runs = {}
    for name in ("left-hand", "right-hand"):
        file = configure(f"{name}.yaml", photos, name=name)
        log = checkout.work / f"{name}.log"
        command = ("zenml", "pipeline", "run", "training", "--config", file)
        runs[name] = checkout.start(*command, log=log), log
    while "Step `ingest` has started" not in runs["left-hand"][1].read_text():
        assert runs["left-hand"][0].poll() is None, runs["left-hand"][1].read_text()
        time.sleep(0.1)
    second = checkout.run("zenml", "pipeline", "run", "training", "--config", "left-hand.yaml")
    ended = {name: (process.wait(timeout=600), log.read_text()) for name, (process, log) in runs.items()}
    return ended, second, runs["left-hand"][0].pid


@pytest.mark.slow
class TestAtTheSameTime:
    def test_gates_of_different_names_train_side_by_side(self, started, gate):
        ended, _, _ = started
        for name, (code, said) in ended.items():
            assert code == 0, said
            assert type(gate)(gate.home, name).agrees_on("1")

    def test_a_second_run_of_the_same_gate_ends_at_once_in_one_sentence(self, started):
        _, (code, said), process = started
        assert code == 1
        assert re.fullmatch(
            rf"Error: left-hand is being trained by the process {process} since [\d:T+-]+; wait until .*\n", said
        )
