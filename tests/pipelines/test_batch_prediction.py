"""``zenml pipeline run batch_prediction``: the champion of the session's checkout answers folders and the inbox."""

import csv
import re
import shutil
from pathlib import Path

import pytest
import yaml

from quality_gate.monitoring.prediction_log import PredictionLog, Window
from quality_gate.run_lock import only_run

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def belt(photos, tmp_path_factory):
    """Twelve photos without classes, in two folders."""
    folder = tmp_path_factory.mktemp("belt")
    for number, photo in enumerate(sorted((photos / "test").rglob("*.jpg"))[::3][:12]):
        target = folder / ("left", "right")[number % 2] / photo.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(photo, target)
    return folder


@pytest.fixture(scope="module")
def predict(checkout, champion):
    """Runs the pipeline the way a user does; parameters that are named stand in its configuration."""

    def run(*, beside=None, **parameters):
        (checkout.work / "batch.yaml").write_text(yaml.safe_dump({**(beside or {}), "parameters": parameters}))
        return checkout.run("zenml", "pipeline", "run", "batch_prediction", "--config", "batch.yaml")

    return run


@pytest.fixture
def log(gate):
    with PredictionLog.open(f"sqlite:///{gate.home.predictions}") as opened:
        yield opened


def result_of(said):
    """Rows of the table that a run says it wrote, and its folder."""
    path = re.search(r"^result: (.*)/result\.csv$", said, re.MULTILINE)[1]
    folder = Path(path)
    with (folder / "result.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), folder


def test_a_folder_is_answered_logged_and_told(predict, belt, gate, log):
    before = log.count()
    code, said = predict(source=str(belt))
    assert code == 0, said
    assert "Traceback" not in said
    rows, folder = result_of(said)
    assert [row["path"] for row in rows] == sorted(path.relative_to(belt).as_posix() for path in belt.rglob("*.jpg"))
    assert re.search(r"predict: 12 photos in ", said)
    assert re.search(rf"batch: 12 files by {gate.name}:1: \d+ accepted, \d+ to review; 0 bad\n", said)
    assert "Every photo was answered and logged." in (folder / "batch.html").read_text()
    assert log.count() - before == 12
    (newest,) = next(log.read(Window(photos=1)))
    assert (newest.gate, newest.model_version, newest.origin) == (gate.name, "1", "batch")


def test_a_second_run_sees_what_is_new_though_the_cache_is_on(predict, belt, log, photos):
    predict(source=str(belt))
    shutil.copyfile(next((photos / "train" / "onion").glob("onion_*")), belt / "new.jpg")
    before = log.count()
    code, said = predict(beside={"enable_cache": True}, source=str(belt))
    assert code == 0, said
    assert "Using cached version" not in said
    assert "13 files by" in said
    assert "; 12 of the answers were given before" in said
    assert len(result_of(said)[0]) == 13
    assert log.count() - before == 1


def test_the_inbox_is_emptied_and_its_bad_files_are_kept(predict, gate, belt, log):
    home = gate.home
    shutil.copytree(belt / "left", home.inbox / "left")
    (home.inbox / "broken.jpg").write_bytes(b"no photo")
    code, said = predict(settle_seconds=0, max_unreadable_share=0.2)
    assert code == 0, said
    rows, folder = result_of(said)
    assert sum(row["problem"] != "" for row in rows) == 1
    assert "inbox: 6 moved to inbox_done, 1 to inbox_quarantine" in said
    assert [path for path in home.inbox.rglob("*") if path.is_file()] == []
    assert [path.name for path in home.inbox_quarantine.iterdir()] == ["broken.jpg"]
    assert len(list(home.inbox_done.glob("*/left/*.jpg"))) == 6
    assert 'broken.jpg,"not a photo in one of' in (folder / "quarantine.csv").read_text()

    code, said = predict(settle_seconds=0)
    assert code == 0, said
    assert "batch: no photos in the inbox" in said


def test_a_second_run_at_the_same_time_is_refused(predict, gate, belt):
    with only_run(gate.home.batches(gate.name), gate.name, use="used for a batch prediction"):
        code, said = predict(source=str(belt))
    assert code == 1
    assert f"Error: {gate.name} is being used for a batch prediction by the process " in said
    with only_run(gate.home.inbox_done, "the inbox", use="emptied", key="source"):
        code, said = predict()
    assert code == 1
    assert "Error: the inbox is being emptied by the process " in said


def test_mistakes_end_in_one_sentence(checkout, run_each, champion, belt, tmp_path):
    work = checkout.work
    bad = tmp_path / "bad"
    shutil.copytree(belt, bad)
    (bad / "broken.jpg").write_bytes(b"no photo")
    cases = {
        "nowhere": ({"source": "nowhere"}, f"{work}/nowhere does not exist; expected a folder of photos"),
        "too_many_bad": (
            {"source": str(bad), "max_unreadable_share": 0.01},
            "cannot be used, and max_unreadable_share ",
        ),
        "unknown_gate": (
            {"name": "leek"},
            "name is 'leek': no gate is called so; gates with a champion are visual_quality_gate.",
        ),
        "misspelt": (
            {"sauce": "photos"},
            "misspelt.yaml: sauce is no setting; check its spelling against pipelines/batch_prediction.yaml",
        ),
        "impossible": ({"max_unreadable_share": 2}, "impossible.yaml: max_unreadable_share is 2: input should be "),
        "credentials": ({"source": "s3://user:secret@host/x"}, "a URL may not hold credentials"),
    }
    for case, (parameters, _) in cases.items():
        (work / f"{case}.yaml").write_text(yaml.safe_dump({"parameters": parameters}))
    ended = run_each("batch_prediction", *(f"{case}.yaml" for case in cases))
    assert ended.keys() == cases.keys()
    for case, (code, said) in ended.items():
        assert code == 1, said
        assert "Traceback" not in said
        assert "secret" not in said
        (line,) = [line for line in said.splitlines() if line.startswith("Error: ")]
        assert cases[case][1] in line
