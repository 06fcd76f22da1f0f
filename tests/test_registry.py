import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from quality_gate import registry as module
from quality_gate.errors import UserError
from quality_gate.evaluation.gate import apply_gate
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import ModelManifest, file_digest
from quality_gate.registry import CHAMPION, Registry, ledger_entry
from quality_gate.settings import GateSettings
from quality_gate.tracking import open_run


@pytest.fixture(scope="module")
def uri(empty_mlflow_database, tmp_path_factory):
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    shutil.copyfile(empty_mlflow_database, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def client(uri):
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def registry(uri, tmp_path, request):
    """The registry of a gate of the test's own."""
    return Registry(request.node.name.replace("[", "-").rstrip("]"), Ledger(tmp_path / "ledger"), uri)


@pytest.fixture
def register(registry, uri, tmp_path, write_tiny_model, make_entry):
    """Trains nothing, but does all else that a run does up to its promotion; returns the entry to promote."""

    def registered(seed):
        model = write_tiny_model(tmp_path / f"trained {seed}", version=None, seed=seed)
        run = open_run(uri, tmp_path / "artifacts", registry.name, f"run {seed}")
        model_uri = run.log_folder(model, "model")
        version = registry.register(run.run_id, model_uri, ModelManifest.load(model).digests)
        return make_entry("promoted", version, model_uri=model_uri, promotion=f"promotion of {version}")

    return registered


@pytest.fixture
def promoted(registry, register):
    """Promotes models of the seeds 0, 1, ...; the last is champion."""

    def promote(count):
        for seed in range(count):
            registry.promote(register(seed))
        return registry

    return promote


def alias(client, registry):
    return str(client.get_model_version_by_alias(registry.name, CHAMPION).version)


def versions(registry):
    return [entry.version for entry in registry.ledger.champions()]


def no_package(folder):
    pytest.fail("a model that does not answer was packed")


def test_versions_count_up_and_say_what_they_were_made_of(registry, register, client):
    assert [register(0).version, register(1).version] == ["1", "2"]
    registered = client.get_model_version(registry.name, "1")
    assert registered.tags["data"] == "d" * 64
    assert (Path(registered.source) / "model.onnx").is_file()


def test_each_gate_counts_its_own_versions(registry, register, uri, tmp_path):
    register(0)
    other = Registry(f"{registry.name}-other", Ledger(tmp_path / "other"), uri)
    run = open_run(uri, tmp_path / "artifacts", other.name, "run")
    assert other.register(run.run_id, run.log_folder(tmp_path / "trained 0", "model"), {}) == "1"


def test_registering_alone_makes_no_champion(registry, register, client):
    register(0)
    assert registry.ledger.champion() is None
    assert not client.get_registered_model(registry.name).aliases


def test_a_promotion_is_written_down_and_moves_the_alias(promoted, client):
    registry = promoted(2)
    assert versions(registry) == ["1", "2"]
    assert alias(client, registry) == "2"


def test_an_interruption_between_ledger_and_alias_is_repaired(promoted, register, client):
    registry = promoted(1)
    registry.ledger.append(register(1))
    assert alias(client, registry) == "1"

    registry.point_alias_at_champion()
    assert alias(client, registry) == "2"


def test_an_alias_moved_by_hand_is_put_back(promoted, client):
    registry = promoted(2)
    client.set_registered_model_alias(registry.name, CHAMPION, "1")
    registry.point_alias_at_champion()
    assert alias(client, registry) == "2"


def test_without_a_champion_there_is_no_alias_to_move_and_no_folder(registry):
    registry.point_alias_at_champion()
    with registry.promoted_folder("") as champion:
        assert champion is None


def test_a_promoted_folder_is_a_copy_that_knows_its_version(promoted):
    registry = promoted(2)
    kept = Path(registry.ledger.champion().model_uri)
    with registry.promoted_folder("promotion of 2") as champion:
        manifest = ModelManifest.load(champion.folder)
        assert (champion.version, manifest.version) == ("2", "2")
        assert file_digest(champion.folder / "model.onnx") == file_digest(kept / "model.onnx")
    assert not champion.folder.exists()
    assert ModelManifest.load(kept).version is None


def test_a_former_champion_is_found_by_its_promotion(promoted):
    with promoted(2).promoted_folder("promotion of 1") as champion:
        assert champion.version == "1"


@pytest.mark.parametrize("promotion", ["promotion of 2", "promotion of 3"])
def test_a_promotion_that_was_rolled_back_or_never_was_is_no_rival(promoted, promotion):
    registry = promoted(2)
    registry.rollback(lambda _: "tag")
    with pytest.raises(UserError, match="was rolled back meanwhile; run again"), registry.promoted_folder(promotion):
        pytest.fail("a model that is no champion was handed out")


def test_a_rollback_restores_the_former_champion(promoted, client):
    registry = promoted(2)
    packed = []

    def package(folder):
        packed.append(ModelManifest.load(folder))
        return "gate:1-now"

    champion, tag = registry.rollback(package)
    assert (champion.version, tag) == ("1", "gate:1-now")
    assert [manifest.version for manifest in packed] == ["1"]
    assert versions(registry) == ["1"]
    assert alias(client, registry) == "1"
    written = registry.ledger.entries()[-1]
    assert (written.event, written.version) == ("rolled_back", "1")
    assert written.run.startswith("rollback by ")
    assert written.time > champion.time


def test_nothing_is_switched_before_the_former_champion_is_packed(promoted, client):
    registry = promoted(2)

    def package(folder):
        assert versions(registry) == ["1", "2"]
        assert alias(client, registry) == "2"
        return "gate:1-now"

    registry.rollback(package)
    assert alias(client, registry) == "1"


def test_rollbacks_and_promotions_take_turns(promoted, register, client):
    registry = promoted(3)
    for expected in ("2", "1"):
        assert registry.rollback(lambda _: "tag")[0].version == expected
    registry.promote(register(3))
    assert versions(registry) == ["1", "4"]
    registry.rollback(lambda _: "tag")
    assert alias(client, registry) == "1"


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_former_champion_there_is_nothing_to_go_back_to(promoted, count):
    registry = promoted(count)
    with pytest.raises(UserError) as caught:
        registry.rollback(no_package)
    expected = f"{registry.name} has no former champion to roll back to; see quality-gate status."
    assert caught.value.message == expected
    assert len(registry.ledger.entries()) == count


BREAKINGS = {
    "all files gone": lambda folder, _: shutil.rmtree(folder),
    "no network": lambda folder, _: (folder / "model.onnx").unlink(),
    "no manifest": lambda folder, _: (folder / "model.json").unlink(),
    "manifest damaged": lambda folder, _: (folder / "model.json").write_text('{"format_version": 1}'),
    "network damaged": lambda folder, _: (folder / "model.onnx").write_bytes(b"no network"),
    "network of another model": lambda folder, other: shutil.copyfile(other / "model.onnx", folder / "model.onnx"),
}


@pytest.mark.parametrize("breaking", BREAKINGS)
def test_a_former_champion_that_does_not_answer_changes_nothing(promoted, client, breaking):
    registry = promoted(2)
    before = registry.ledger.path.read_bytes()
    BREAKINGS[breaking](*(Path(champion.model_uri) for champion in registry.ledger.champions()))
    with pytest.raises(UserError) as caught:
        registry.rollback(no_package)
    assert "\n" not in caught.value.message
    assert registry.ledger.path.read_bytes() == before
    assert alias(client, registry) == "2"


def edit_manifest(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("change", [{"temperature": 1.4}, {"classes": ["potato", "onion", "tomato"]}])
def test_a_former_champion_that_answers_otherwise_than_it_did_changes_nothing(promoted, client, add_golden, change):
    registry = promoted(2)
    before = registry.ledger.path.read_bytes()
    folder = Path(registry.ledger.champions()[0].model_uri)
    add_golden(folder)
    edit_manifest(folder, **change)
    with pytest.raises(UserError, match="the golden photo of"):
        registry.rollback(no_package)
    assert registry.ledger.path.read_bytes() == before
    assert alias(client, registry) == "2"


@pytest.mark.parametrize("breaking", ["all files gone", "no manifest", "manifest damaged"])
def test_a_champion_whose_files_are_gone_or_damaged_is_named_with_their_place(promoted, breaking):
    registry = promoted(1)
    place = registry.ledger.champion().model_uri
    BREAKINGS[breaking](Path(place), None)
    with pytest.raises(UserError) as caught, registry.promoted_folder("promotion of 1"):
        pytest.fail("a damaged model was handed out")
    assert caught.value.message.startswith(f"{registry.name}:1 cannot be read from {place} (")
    assert caught.value.message.endswith("restore the folder from a copy.")


@pytest.mark.parametrize("failure", [UserError("the disk is full"), RuntimeError("no"), KeyboardInterrupt()])
def test_a_packager_that_fails_switches_nothing(promoted, client, failure):
    registry = promoted(2)

    def package(folder):
        raise failure

    with pytest.raises(type(failure)):
        registry.rollback(package)
    assert versions(registry) == ["1", "2"]
    assert alias(client, registry) == "2"


def test_a_rollback_interrupted_before_the_alias_is_repaired(promoted, client, monkeypatch):
    registry = promoted(2)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "point_alias_at_champion", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            registry.rollback(lambda _: "tag")
    assert (registry.ledger.champion().version, alias(client, registry)) == ("1", "2")

    registry.point_alias_at_champion()
    assert alias(client, registry) == "1"


def test_a_rollback_by_a_user_without_a_name_is_written_down_all_the_same(promoted, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(module.getpass, "getuser", nameless)
    registry = promoted(2)
    registry.rollback(lambda _: "tag")
    assert registry.ledger.entries()[-1].run.startswith("rollback by user ")


def test_a_decision_is_written_down_with_all_that_is_needed_to_defend_it(write_tiny_model, make_evaluation, tmp_path):
    manifest = ModelManifest.load(write_tiny_model(tmp_path / "model"))
    report = tmp_path / "evaluation.html"
    report.write_text("<html>")
    evaluation = make_evaluation()
    gate = apply_gate(evaluation, GateSettings())
    entry = ledger_entry(
        "promoted", "training-1", manifest, evaluation, gate, report,
        version="3", model_uri="/models/3", promotion="third",
    )  # fmt: skip
    assert (entry.event, entry.run, entry.version, entry.model_uri) == ("promoted", "training-1", "3", "/models/3")
    assert (entry.model, entry.classes) == ("tiny", list(manifest.classes))
    assert entry.metrics["macro_f1"] == 0.9
    assert (entry.routing["threshold"], entry.routing["coverage"]) == (0.6, 0.8)
    assert entry.digests == {
        **manifest.digests, "answers": manifest.answers_digest, "report": file_digest(report)
    }  # fmt: skip
    assert entry.identity == entry.promotion == "third"
    assert entry.gate == gate.to_json()
    assert entry.report == str(report)

    ledger = Ledger(tmp_path / "ledger")
    ledger.append(entry)
    assert ledger.entries() == [entry]


def test_a_refused_model_gets_no_version(write_tiny_model, make_evaluation, tmp_path):
    manifest = ModelManifest.load(write_tiny_model(tmp_path / "model", version=None))
    report = tmp_path / "evaluation.html"
    report.write_text("<html>")
    evaluation = replace(make_evaluation(), latency_ms=9999.0)
    entry = ledger_entry("refused", "training-1", manifest, evaluation, apply_gate(evaluation, GateSettings()), report)
    assert (entry.version, entry.model_uri, entry.gate["passed"]) == (None, None, False)


def test_a_rollback_in_a_registry_that_did_not_register_the_model_changes_nothing(
    promoted, empty_mlflow_database, tmp_path
):
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copyfile(empty_mlflow_database, elsewhere)
    registry = promoted(2)
    wrong = Registry(registry.name, registry.ledger, f"sqlite:///{elsewhere}")
    with pytest.raises(UserError, match=r"elsewhere\.db did not register .*:1; set MLFLOW_TRACKING_URI"):
        wrong.rollback(no_package)
    assert versions(registry) == ["1", "2"]


def test_a_version_of_the_same_number_in_another_registry_is_not_taken_for_it(
    promoted, empty_mlflow_database, tmp_path
):
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    shutil.copyfile(empty_mlflow_database, tmp_path / "elsewhere.db")
    registry = promoted(2)
    wrong = Registry(registry.name, registry.ledger, elsewhere)
    run = open_run(elsewhere, tmp_path / "other artifacts", registry.name, "run")
    wrong.register(run.run_id, run.log_folder(tmp_path / "trained 0", "model"), {})
    with pytest.raises(UserError, match="did not register"):
        wrong.rollback(no_package)


def test_a_tracking_server_that_is_away_is_one_sentence(promoted, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = promoted(2)
    away = Registry(registry.name, registry.ledger, "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        away.rollback(no_package)
