"""What the steps are keyed by when the pipeline is compiled: no step may be cached for longer than it is true."""

import shutil
from functools import partial
from types import SimpleNamespace

import pytest
import yaml
from zenml.materializers.cloudpickle_materializer import CloudpickleMaterializer
from zenml.materializers.materializer_registry import materializer_registry

from bentos.package import build_bento
from pipelines import training
from pipelines.caching import CODE_VARIABLE, FILES_VARIABLE
from pipelines.wiring import Reviewed, wire
from quality_gate.home import HOME_VARIABLE, Home
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import ModelManifest
from quality_gate.standing import Candidates

NAME = "visual_quality_gate"
EXPECTED = ("rival", "promotion", "built")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    return Home(tmp_path / "home")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    # Else what was written a moment ago would not be trusted to stay as it is.
    monkeypatch.setattr("quality_gate.data.sources.local.COARSEST_CLOCK_NS", 0)
    for label in ("onion", "potato"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "0.jpg").write_bytes(b"photo")
    return tmp_path / "photos"


@pytest.fixture
def compiled(home, photos, tmp_path, monkeypatch):
    """Compiles the pipeline for changed settings; what each step is keyed by, and the origin of the candidate."""

    configuration = tmp_path / "my.yaml"

    def compile_with(*, reviewed=None, **changes):
        configuration.write_text(yaml.safe_dump({"parameters": {"data": {"source": str(photos)}, **changes}}))
        pipeline = training.with_options(config_path=str(configuration))
        with monkeypatch.context() as patch:
            patch.setitem(training.entrypoint.__globals__, "wire", partial(wire, reviewed=reviewed))
            pipeline.prepare()
        steps = pipeline.invocations
        keys = {
            name: (invocation.step.configuration.environment, invocation.parameters)
            for name, invocation in steps.items()
        }
        expected = keys["find_rival"][1]
        return SimpleNamespace(
            keys=keys,
            steps=steps,
            origin=steps["find_rival"].step.configuration.extra["origin"],
            **{name: expected[name] for name in EXPECTED},
        )

    return compile_with


def differences(first, second):
    return {name for name in first.keys if first.keys[name] != second.keys[name]}


def test_every_step_is_keyed_by_its_code(compiled):
    keys = compiled().keys
    digests = [environment[CODE_VARIABLE] for environment, _ in keys.values()]
    assert len(set(digests)) == len(keys)


def test_every_value_that_is_handed_on_has_a_materializer_of_its_own(compiled):
    for name, invocation in compiled().steps.items():
        for output in invocation.step.entrypoint_definition.outputs.values():
            assert materializer_registry[output.resolved_annotation] is not CloudpickleMaterializer, name


class TestWithoutChampion:
    def test_nothing_changed_changes_no_key_before_the_candidate(self, compiled):
        assert differences(compiled(), compiled()) == {"find_rival"}

    def test_a_photo_more_changes_the_key_of_ingest_and_where_the_candidate_comes_from(self, compiled, photos):
        before = compiled()
        (photos / "onion" / "1.jpg").write_bytes(b"photo")
        after = compiled()
        assert differences(before, after) == {"ingest", "find_rival"}
        assert before.origin != after.origin

    def test_a_demo_run_is_keyed_by_its_code_alone(self, compiled):
        keys = compiled(data={"source": "demo"}).keys
        assert keys["ingest"][0][FILES_VARIABLE] == "demo"

    def test_other_weights_in_the_same_file_change_the_key_of_the_training(self, compiled, tmp_path):
        weights = tmp_path / "weights.pth"
        runs = []
        for content in (b"one", b"two"):
            weights.write_bytes(content)
            runs.append(compiled(transfer={"weights_file": str(weights)}))
        assert differences(*runs) == {"find_suspects", "train_transfer", "find_rival"}
        assert runs[0].origin != runs[1].origin

    @pytest.mark.parametrize(
        ("change", "steps", "another_candidate"),
        [
            ({"gate": {"min_macro_f1": 0.5}}, set(), False),
            ({"evaluation": {"bootstrap_resamples": 200}}, {"evaluate"}, False),
            ({"calibration": {"alpha": 0.1}}, {"calibrate", "prepare_serving"}, True),
            ({"serving": {"int8": False}}, {"prepare_serving"}, False),
            ({"transfer": {"patience": 3}}, {"find_suspects", "train_transfer"}, True),
            (
                {"baselines": {"scratch_epochs": 2}},
                {"train_histogram_baseline", "train_scratch_baseline"},
                False,
            ),
        ],
    )
    def test_a_setting_changes_the_keys_of_the_steps_that_it_is_for(self, compiled, change, steps, another_candidate):
        before, after = compiled(), compiled(**change)
        # The gate's page and the cards of a promotion show all settings.
        assert differences(before, after) == {*steps, "find_rival", "gate", "promote"}
        assert (before.origin != after.origin) == another_candidate

    def test_copies_of_hard_negatives_are_another_training_and_which_they_are_matters_only_then(self, compiled):
        def retrained(mistaken, copies=1):
            return compiled(reviewed=Reviewed([], {}, mistaken), retraining={"hard_negative_copies": copies})

        one, other, thrice = retrained(["a"]), retrained(["b"]), retrained(["a"], copies=3)
        assert differences(one, other) == {"report_retraining", "find_rival"}
        assert one.origin == other.origin
        assert {"train_transfer", "report_retraining"} <= differences(one, thrice)
        assert "find_suspects" not in differences(one, thrice)
        assert "train_transfer" in differences(thrice, retrained(["a", "b"], copies=3))
        assert len({one.origin, thrice.origin, retrained(["a", "b"], copies=3).origin}) == 3

    def test_another_gate_shares_no_candidate(self, compiled):
        assert compiled().origin != compiled(name="other-gate").origin


@pytest.fixture
def gate(home, compiled, write_tiny_model, make_entry, tmp_path, built_quickly):
    """A gate whose runs end as real ones do: remembered, promoted, packed."""

    class Gate:
        ledger = Ledger(home.registry(NAME))
        bentos = home.bentos / "bentos" / NAME

        def run(self, seed, **changes):
            """A whole run of the settings, whose candidate is that of ``seed``."""
            run = compiled(**changes)
            model = write_tiny_model(tmp_path / f"model {seed} {run.promotion}", version=None, seed=seed)
            answers = ModelManifest.load(model).answers_digest
            Candidates(home.registry(NAME)).remember(run.origin, answers)
            champion = self.ledger.champion()
            if champion is None or champion.digests["answers"] != answers:
                version = str(sum(entry.event == "promoted" for entry in self.ledger.entries()) + 1)
                digests = {"answers": answers, "reference": "r" * 64}
                self.ledger.append(make_entry("promoted", version, digests=digests, promotion=run.promotion))
                built_quickly(model, NAME, version, run.built)
            return run

        def roll_back(self):
            former = self.ledger.champions()[-2]
            self.ledger.append(make_entry("rolled_back", former.version, promotion=former.promotion))

    return Gate()


@pytest.fixture
def built_quickly(home, monkeypatch):
    """Builds a Bento without BentoML: its own files alone."""
    from importlib.metadata import version as installed

    def build(sources, store, bento_version):
        bento = store / "bentos" / NAME / bento_version
        shutil.copytree(sources, bento / "src")
        (bento / "env" / "python").mkdir(parents=True)
        (bento / "env" / "python" / "requirements.txt").write_text(f"bentoml=={installed('bentoml')}\n")

    monkeypatch.setattr("bentos.package._run_build", build)
    monkeypatch.setattr("bentos.package.smoke_test", lambda folder: None)

    def build_version(model, name, version, built):
        ModelManifest.load(model).with_version(version).save(model)
        build_bento(model, name=name, built=built)

    return build_version


OTHER = {"transfer": {"patience": 3}}


class TestWithChampions:
    def test_a_repeated_run_has_the_same_keys_throughout(self, gate, compiled):
        first = gate.run(0)
        assert differences(first, compiled()) == set()

    def test_so_has_the_repetition_of_a_run_that_replaced_a_champion(self, gate, compiled):
        gate.run(0)
        second = gate.run(1, **OTHER)
        assert second.rival == gate.ledger.champions()[0].identity
        assert differences(second, compiled(**OTHER)) == set()

    def test_after_a_rollback_the_same_run_promotes_again_and_packs_again(self, gate, compiled):
        gate.run(0)
        second = gate.run(1, **OTHER)
        gate.roll_back()
        again = compiled(**OTHER)
        assert again.rival == second.rival
        assert again.promotion != second.promotion
        assert again.built != second.built

    def test_after_a_rollback_a_run_of_the_champion_promotes_nothing(self, gate, compiled):
        first = gate.run(0)
        gate.run(1, **OTHER)
        gate.roll_back()
        again = compiled()
        assert (again.rival, again.promotion) == (first.rival, first.promotion)
        assert again.built != first.built  # NAME:latest is still that of the other

    def test_after_another_was_promoted_a_run_must_match_that(self, gate, compiled):
        first = gate.run(0)
        second = gate.run(1, **OTHER)
        again = compiled()
        assert (first.rival, again.rival) == ("", second.promotion)
        assert again.promotion not in (first.promotion, second.promotion)

    def test_a_deleted_bento_is_built_again_and_nothing_else_is_done(self, gate, compiled):
        first = gate.run(0)
        shutil.rmtree(gate.bentos)
        again = compiled()
        assert (again.rival, again.promotion) == (first.rival, first.promotion)
        assert again.built != first.built

    def test_interrupted_between_promotion_and_package_the_next_run_packs(self, gate, compiled):
        gate.run(0)
        served = (gate.bentos / "latest").read_text()
        second = gate.run(1, **OTHER)
        (gate.bentos / "latest").write_text(served)
        again = compiled(**OTHER)
        assert (again.rival, again.promotion) == (second.rival, second.promotion)
        assert again.built not in (second.built, served.partition("-")[2])

    def test_a_ledger_that_was_removed_is_begun_anew(self, gate, compiled, home):
        first = gate.run(0)
        shutil.rmtree(home.registry(NAME))
        again = compiled()
        assert again.rival == ""
        assert again.promotion != first.promotion

    def test_a_forgotten_candidate_is_held_against_the_champion_until_it_is_known(self, gate, compiled, home):
        first = gate.run(0)
        (home.registry(NAME) / "candidates.json").unlink()
        unknown = compiled()
        assert (unknown.rival, unknown.promotion != first.promotion) == (first.promotion, True)
        gate.run(0)
        assert len(gate.ledger.entries()) == 1
        assert differences(first, compiled()) == set()
