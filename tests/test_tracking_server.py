"""Promotions and rollbacks with an MLflow server in place of the local database: the server's alias moves."""

import os
import shutil
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient

from quality_gate.home import Home
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import ModelManifest
from quality_gate.registry import CHAMPION, Registry
from quality_gate.tracking import TRACKING_VARIABLE, open_run, tracking_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(empty_mlflow_database, tmp_path_factory):
    """The address of a server on the loopback address."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(empty_mlflow_database, folder / "mlflow.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    while not answers(url):
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(timeout=60)


def answers(url):
    try:
        with urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def champions(server, tmp_path, monkeypatch, write_tiny_model, make_entry):
    """A gate with two champions, one after the other, registered at the server that the environment names."""
    monkeypatch.setenv(TRACKING_VARIABLE, server)
    uri = tracking_store(Home(tmp_path))
    registry = Registry("served", Ledger(tmp_path / "ledger"), uri)
    for seed in range(2):
        model = write_tiny_model(tmp_path / f"trained {seed}", version=None, seed=seed)
        run = open_run(uri, None, "served", f"run {seed}")
        model_uri = run.log_folder(model, "model")
        version = registry.register(run.run_id, model_uri, ModelManifest.load(model).digests)
        registry.promote(make_entry("promoted", version, model_uri=model_uri, promotion=f"promotion of {version}"))
    return registry


def test_a_rollback_reads_the_model_from_the_server_and_moves_its_alias(champions, server, tmp_path):
    client = MlflowClient(tracking_uri=server, registry_uri=server)
    assert client.get_model_version_by_alias("served", CHAMPION).version == "2"
    packed = []
    former, _ = champions.rollback(lambda folder: packed.append(ModelManifest.load(folder).version) or "tag")
    assert (former.version, packed) == ("1", ["1"])
    assert str(former.model_uri).startswith("mlflow-artifacts:")
    assert client.get_model_version_by_alias("served", CHAMPION).version == "1"
    assert not (tmp_path / "mlflow").exists(), "the local store was written to"
