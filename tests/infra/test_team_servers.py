"""The servers of `team.compose.yaml`, started with its commands and settings, but for where the others are."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

pytestmark = pytest.mark.slow

VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+):[?-]([^}]*)\}")
# What is slow on a busy machine is not wrong.
PATIENCE = 120
SECRETS = {"OBJECTS_KEY_ID": "team", "OBJECTS_KEY": "k" * 24, "ZENML_ADMIN_PASSWORD": "opens-it-1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Servers:
    """Starts services of the file as processes, and ends them."""

    def __init__(self, file, folder):
        self.services = yaml.safe_load(file.read_text())["services"]
        self.folder = folder
        self.running = []

    def start(self, name, *, instead):
        """The address of a service; ``instead`` says what stands for an address or folder of a container."""
        service, port = self.services[name], free_port()
        inside = service["ports"][0].rpartition(":")[2]
        instead = {inside: str(port), "0.0.0.0": "127.0.0.1"} | instead
        command = [instead.get(part, part) for part in service["command"]]
        environment = {key: self._filled(value, instead) for key, value in service["environment"].items()}
        probe = service["healthcheck"]["test"][-1]
        self._start(name, command, environment)
        path = re.search(rf"127\.0\.0\.1:{inside}(/[\w/]+)", probe)[1]
        self.wait(f"http://127.0.0.1:{port}{path}", name)
        return f"http://127.0.0.1:{port}"

    def object_store(self):
        port = free_port()
        self._start("objects", ["moto_server", "-H", "127.0.0.1", "-p", str(port)], {})
        self.wait(f"http://127.0.0.1:{port}/moto-api/", "objects")
        return f"http://127.0.0.1:{port}"

    def wait(self, url, name):
        deadline = time.monotonic() + 900
        while True:
            assert self.running[-1].poll() is None, (self.folder / f"{name}.log").read_text()
            try:
                if httpx.get(url, timeout=PATIENCE).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, (self.folder / f"{name}.log").read_text()
            time.sleep(0.3)

    def end(self):
        for process in self.running:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.running:
            process.wait(timeout=PATIENCE)

    def _start(self, name, command, environment):
        own = {"HOME": str(self.folder), "ZENML_CONFIG_PATH": str(self.folder), "ZENML_ANALYTICS_OPT_IN": "false"}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML", "MLFLOW", "AWS"))}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [Path(sys.executable).with_name(command[0]), *command[1:]],
                cwd=self.folder, env=inherited | own | environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.running.append(process)

    def _filled(self, value, instead):
        filled = VARIABLE.sub(lambda found: SECRETS.get(found[1], found[2] if ":-" in found[0] else "x" * 48), value)
        return instead.get(filled, filled)


@pytest.fixture
def servers(infra, tmp_path):
    found = Servers(infra / "team.compose.yaml", tmp_path)
    yield found
    found.end()


def test_zenml_answers_and_lets_the_administrator_in_and_nobody_else(servers, tmp_path):
    store = servers.services["zenml"]["environment"]["ZENML_STORE_URL"]
    store = VARIABLE.sub("x" * 48, store)

    url = servers.start("zenml", instead={store: f"sqlite:///{tmp_path}/zenml.db"})

    def login(password):
        form = {"username": "admin", "password": password}
        return httpx.post(f"{url}/api/v1/login", data=form, timeout=PATIENCE).status_code

    assert login(SECRETS["ZENML_ADMIN_PASSWORD"]) == 200
    assert login("") == login("wrong") == 401
    assert httpx.get(f"{url}/api/v1/stacks", timeout=PATIENCE).status_code == 401


def test_mlflow_keeps_runs_in_postgresql_and_hands_files_on_to_the_object_store(servers, postgres, tmp_path):
    import boto3
    from mlflow import MlflowClient

    settings = servers.services["mlflow"]["environment"]
    objects = servers.object_store()
    store = boto3.client(
        "s3", endpoint_url=objects, region_name="us-east-1", aws_access_key_id=SECRETS["OBJECTS_KEY_ID"],
        aws_secret_access_key=SECRETS["OBJECTS_KEY"],
    )  # fmt: skip
    store.create_bucket(Bucket="mlflow")
    database = postgres.new_database().replace("postgresql:", "postgresql+psycopg:")
    url = servers.start(
        "mlflow",
        instead={
            VARIABLE.sub("x" * 48, settings["MLFLOW_BACKEND_STORE_URI"]): database,
            settings["MLFLOW_S3_ENDPOINT_URL"]: objects,
        },
    )

    client = MlflowClient(tracking_uri=url)
    run = client.create_run(client.create_experiment("gate"))
    client.log_metric(run.info.run_id, "macro_f1", 0.9)
    (tmp_path / "report.html").write_text("passed")
    client.log_artifact(run.info.run_id, str(tmp_path / "report.html"))

    assert client.get_run(run.info.run_id).data.metrics == {"macro_f1": 0.9}
    (kept,) = [one["Key"] for one in store.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert kept.endswith(f"{run.info.run_id}/artifacts/report.html")
    asked = f"{url}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert httpx.get(asked, headers={"Host": "elsewhere.example"}, timeout=PATIENCE).status_code == 403


def test_evidently_shows_the_workspace(servers, tmp_path):
    (tmp_path / "windows").mkdir()

    url = servers.start("evidently", instead={"/workspace": str(tmp_path / "windows")})

    assert httpx.get(f"{url}/api/projects", timeout=PATIENCE).json() == []
