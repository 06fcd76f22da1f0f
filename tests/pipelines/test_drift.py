"""``zenml pipeline run drift``: photos that the champion of the session's checkout has answered."""

import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from quality_gate.data.scenes import SHIFTS, write_demo_photos
from quality_gate.drift.reference import Reference
from quality_gate.monitoring.prediction_log import PredictionLog, Window
from quality_gate.run_lock import only_run

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def answered(checkout, champion, tmp_path_factory):
    """Lets the champion answer 40 photos of the generator, changed as the name says."""

    def run(name):
        folder = tmp_path_factory.mktemp(name) / "photos"
        options = {} if name == "usual" else {"shift": SHIFTS[name]}
        write_demo_photos(folder, train_per_class=0, test_per_class=10, seed=99, size=96, workers=1, **options)
        (checkout.work / "batch.yaml").write_text(yaml.safe_dump({"parameters": {"source": str(folder)}}))
        code, said = checkout.run("zenml", "pipeline", "run", "batch_prediction", "--config", "batch.yaml")
        assert code == 0, said

    return run


@pytest.fixture(scope="module")
def drift(checkout, champion):
    """Runs the pipeline the way a user does; parameters that are named stand in its configuration."""

    def run(**parameters):
        given = {"min_photos": 30, "resamples": 999} | parameters
        (checkout.work / "drift.yaml").write_text(yaml.safe_dump({"parameters": given}))
        return checkout.run("zenml", "pipeline", "run", "drift", "--config", "drift.yaml")

    return run


@pytest.fixture
def log(gate):
    with PredictionLog.open(f"sqlite:///{gate.home.predictions}") as opened:
        yield opened


def folder_of(said):
    return Path(re.search(r"^report: (.*)/drift\.html$", said, re.MULTILINE)[1])


def test_without_photos_there_is_neither_an_alarm_nor_an_all_clear(drift, gate):
    code, said = drift(name=gate.name, until="2020-01-01T00:00:00+00:00")
    assert code == 0, said
    assert "Traceback" not in said
    assert (
        f"drift: Not enough data: the prediction log holds no answer of {gate.name}:1 of the last 24 hours before "
        "2020-01-01T00:00:00+00:00, and 30 are needed (min_photos)." in said
    )
    folder = folder_of(said)
    assert json.loads((folder / "drift.json").read_text())["verdict"] == "not_enough_data"
    assert "This is neither an alarm nor an all-clear." in (folder / "drift.html").read_text()
    assert not (folder / "evidently.html").exists()


def test_dark_photos_ring_and_it_is_written_everywhere(checkout, drift, answered, gate, log):
    answered("dark")
    (one,) = next(log.read(Window(photos=1)))
    assert one.features is not None
    log.write([replace(one, id=uuid4(), model_version="9")])

    # Batches of other tests were answered before.
    code, said = drift(photos=40)

    assert code == 0, said
    assert "Traceback" not in said
    assert re.search(r"drift: ALARM: the photos have drifted in .*light.* \(40 photos against \d+ of the ref", said)
    assert "did not give: 1 of version 9, which the ledger does not know." in said
    folder = folder_of(said)
    report = json.loads((folder / "drift.json").read_text())
    assert (report["verdict"], report["photos"], report["left_out"]) == ("alarm", 40, {"9": 1})
    page = (folder / "drift.html").read_text()
    assert "<script" not in page
    assert "ALARM: the photos have drifted in" in page
    assert (folder / "evidently.html").stat().st_size > 1_000_000
    assert any((gate.home.evidently).rglob("*"))

    show = (
        "from zenml.client import Client\n"
        "run = Client().list_pipeline_runs(pipeline='drift', size=1, sort_by='desc:created')[0]\n"
        "print('found', run.run_metadata['drift']['alarm'])\n"
        "(out,) = run.steps['detect_drift'].outputs['drift']\n"
        "print('report', out.run_metadata['alarm'])\n"
    )
    code, said = checkout.run("python", "-c", show)
    assert code == 0, said
    assert "found True" in said
    assert "report True" in said


def test_a_second_run_at_the_same_time_is_refused(drift, gate):
    with only_run(gate.home.drift(gate.name), gate.name, use="looked at for drift"):
        code, said = drift()
    assert code == 1
    assert f"Error: {gate.name} is being looked at for drift by the process " in said


def test_mistakes_end_in_one_sentence(checkout, run_each, champion):
    work = checkout.work
    cases = {
        "unknown_gate": (
            {"name": "leek"},
            "name is 'leek': no gate is called so; gates with a champion are visual_quality_gate.",
        ),
        "misspelt": ({"ours": 3}, "misspelt.yaml: ours is no setting; check its spelling against pipelines/drift.yaml"),
        "deaf": ({"resamples": 200}, "deaf.yaml: resamples is 200: at a false_alarm_rate of 0.01 nothing could ever "),
        "no_zone": ({"until": "2026-03-04"}, "no_zone.yaml: until is '2026-03-04': expected a time with its zone"),
    }
    for case, (parameters, _) in cases.items():
        (work / f"{case}.yaml").write_text(yaml.safe_dump({"parameters": parameters}))
    ended = run_each("drift", *(f"{case}.yaml" for case in cases))
    assert ended.keys() == cases.keys()
    for case, (code, said) in ended.items():
        assert code == 1, said
        assert "Traceback" not in said
        (line,) = [line for line in said.splitlines() if line.startswith("Error: ")]
        assert cases[case][1] in line


def test_a_database_that_is_away_is_one_sentence(checkout, drift, monkeypatch):
    monkeypatch.setitem(checkout.environment, "QUALITY_GATE_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/nowhere")
    code, said = drift()
    assert code == 1
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert line.startswith("Error: The prediction log cannot be used: postgresql://127.0.0.1:1/nowhere: ")
    assert "secret" not in said


def test_the_reference_of_the_champion_holds_features(gate):
    store = gate.home.bentos / "bentos" / gate.name
    model = store / (store / "latest").read_text() / "src" / "bentos" / "model"
    observations = Reference.load(model).observations
    assert observations.with_features.all()
    assert len(observations) > 40
