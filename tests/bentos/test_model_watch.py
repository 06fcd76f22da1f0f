"""A running server takes the model of the newest Bento of its store."""

import json
import re
import shutil
import threading
import time

import httpx
import pytest

from bentos.model_watch import ModelWatch
from bentos.package import build_bento
from quality_gate.data.scenes import encode_scene

GATE = "tomato-ripeness"
PHOTO = encode_scene("tomato", 3, size=96)


class Log:
    def __init__(self):
        self.lines = []

    def write(self, **fields):
        self.lines.append(fields)


@pytest.fixture
def store(write_tiny_model, add_golden, tmp_path):
    """Bentos with the same code, as a store holds them; ``first`` is the newest."""

    def bento(name, seed):
        source = tmp_path / name / "src"
        add_golden(write_tiny_model(source / "bentos" / "model", version=name, seed=seed))
        (source / "quality_gate").mkdir()
        (source / "quality_gate" / "inference.py").write_text("code")
        return tmp_path / name

    for seed, name in enumerate(("first", "second")):
        bento(name, seed)
    (tmp_path / "latest").write_text("first")
    return tmp_path


@pytest.fixture
def watch(store):
    """Watches over the first, and gives the folders that were taken and the lines of the log."""
    taken, log = [], Log()
    watch = ModelWatch(store / "first", taken.append, log, poll_seconds=0.01)
    watch.start()
    yield taken, log.lines
    watch.close()


def publish(store, name):
    (store / ".latest").write_text(name)
    (store / ".latest").replace(store / "latest")


def wait_for(found):
    deadline = time.monotonic() + 10
    while not found and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)


def test_the_model_of_a_new_bento_is_taken_once(store, watch):
    taken, lines = watch
    publish(store, "second")
    wait_for(taken)

    assert taken == [store / "second" / "src" / "bentos" / "model"]
    assert lines == [{"bento": "second", "switch": "taken"}]


def test_a_bento_with_other_code_is_told_and_not_taken(store, watch):
    taken, lines = watch
    (store / "second" / "src" / "quality_gate" / "inference.py").write_text("other code")
    publish(store, "second")
    wait_for(lines)

    assert (taken, lines) == ([], [{"bento": "second", "switch": "other code: start the server again to take it"}])


def with_another_temperature(bento):
    path = bento / "src" / "bentos" / "model" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "temperature": 1.4}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda bento: shutil.rmtree(bento),
        lambda bento: (bento / "src" / "bentos" / "model" / "model.onnx").write_bytes(b"damaged"),
        lambda bento: (bento / "src" / "bentos" / "model" / "golden.json").unlink(),
        with_another_temperature,
    ],
)
def test_a_bento_that_cannot_be_served_is_told_and_the_next_is_taken(store, watch, damage):
    taken, lines = watch
    damage(store / "second")
    publish(store, "second")
    wait_for(lines)

    assert taken == []
    assert len(lines) == 1
    assert lines[0]["switch"] != "taken"
    publish(store, "first")
    wait_for(taken)
    assert taken == [store / "first" / "src" / "bentos" / "model"]


def test_where_there_is_no_store_nothing_is_followed(store):
    (store / "latest").unlink()
    log = Log()
    watch = ModelWatch(store / "first", pytest.fail, log, poll_seconds=0.01)
    watch.start()
    publish(store, "second")
    time.sleep(0.1)
    watch.close()

    assert log.lines == []


class Client(threading.Thread):
    """Asks for answers until it is told to stop, and keeps status and model of each."""

    def __init__(self, url):
        super().__init__()
        self.answers = []
        self.enough = threading.Event()
        self._url = url

    def run(self):
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self.enough.is_set():
                response = client.post("/predict", content=PHOTO, headers={"content-type": "image/jpeg"})
                self.answers.append((response.status_code, response.json().get("model_version")))


@pytest.mark.slow
def test_under_load_a_new_model_is_taken_and_the_former_one_again_without_a_request_dropped(
    serve, write_explainable_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentos"))
    models = [write_explainable_model(tmp_path / version, version=version, seed=int(version)) for version in "123"]
    build_bento(models[0], name=GATE)
    with serve(tmp_path / "bentos") as server:
        clients = [Client(server.url) for _ in range(4)]
        for client in clients:
            client.start()
        for model in (models[1], models[2], models[1]):
            build_bento(model, name=GATE)
            expected = json.loads((model / "model.json").read_text())["version"]
            deadline = time.monotonic() + 30
            while httpx.get(f"{server.url}/model").json()["version"] != expected and time.monotonic() < deadline:
                time.sleep(0.1)
        for client in clients:
            client.enough.set()
            client.join()

    answers = [answer for client in clients for answer in client.answers]
    assert {status for status, _ in answers} == {200}
    for client in clients:
        versions = [version.partition(":")[2] for _, version in client.answers]
        assert list(dict.fromkeys(versions)) == ["1", "2", "3"]
        assert versions[-1] == "2"


@pytest.mark.slow
def test_a_running_server_stays_with_its_model_where_the_new_one_answers_otherwise_than_it_did(serve, built, tmp_path):
    shutil.copytree(built.home, tmp_path / "bentos")
    store = tmp_path / "bentos" / "bentos" / GATE
    with serve(tmp_path / "bentos") as server:
        shutil.copytree(store / (store / "latest").read_text(), store / "9-damaged")
        with_another_temperature(store / "9-damaged")
        publish(store, "9-damaged")
        deadline = time.monotonic() + 30
        while not (told := [line for line in server.lines if "switch" in line]) and time.monotonic() < deadline:
            time.sleep(0.1)
        version = httpx.get(f"{server.url}/model").json()["version"]

    assert [line["bento"] for line in told] == ["9-damaged"]
    assert re.match(
        r"not taken: .*model\.onnx: the golden photo of \w+ has the probability [\d.]+ for", told[0]["switch"]
    )
    assert version == "1"
