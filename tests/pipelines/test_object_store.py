"""A training whose artifacts lie in an object store that speaks S3, beside one on the local stack.

The store answers from this process, so that it can be away and come back with all it held.
"""

import logging
import os
import time
from dataclasses import dataclass, replace

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

NAME = "in_bucket"
BUCKET = "quality-gate"
# They hold the name of the gate.
OTHER_DIGESTS = {"report", "settings"}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


class ObjectStore:
    """A server on the loopback address that may be taken away; what it holds outlives it."""

    def __init__(self) -> None:
        self._server = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    def stop(self) -> None:
        self._server.stop()


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    code: int
    said: str

    @property
    def started(self) -> list[str]:
        """The steps that ran."""
        words = (line.split("`") for line in self.said.splitlines() if "has started" in line)
        return [word[1] for word in words if len(word) > 1]

    @property
    def error(self) -> str:
        """The one line for the user."""
        assert "Traceback" not in self.said, self.said
        (line,) = [line for line in self.said.splitlines() if line.startswith("Error: ")]
        return line


@pytest.fixture(scope="module")
def store():
    made = ObjectStore()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def remote(store, checkout):
    """The checkout, on a stack that differs from the local one in its artifact store."""
    from botocore.session import Session

    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "not-a-secret", "region_name": "us-east-1"}
    Session().create_client("s3", endpoint_url=store.url, **keys).create_bucket(Bucket=BUCKET)
    description = checkout.work / "bucket_stack.yaml"
    configuration = {"path": f"s3://{BUCKET}/artifacts", "client_kwargs": {"endpoint_url": store.url}}
    component = {"name": "bucket", "flavor": "s3", "configuration": configuration}
    described = {"stack_name": "bucket", "like": "visual_quality_gate", "components": {"artifact_store": component}}
    description.write_text(yaml.safe_dump(described))
    there = replace(checkout, environment=checkout.environment | CREDENTIALS)
    code, said = there.run("python", str(checkout.root / "infra" / "stacks" / "register.py"), str(description))
    assert code == 0, said
    return replace(there, environment={**there.environment, "ZENML_ACTIVE_STACK_ID": said.split()[-1]})


@pytest.fixture(scope="module")
def train_remote(remote, configure, photos):
    """Runs a training; what is named is called once the step of that name has started."""

    def train(file, *, when=None, then=None, **changes):
        log = remote.work / f"{file}.log"
        configuration = configure(f"{file}.yaml", photos, name=NAME, **changes)
        process = remote.start("zenml", "pipeline", "run", "training", "--config", configuration, log=log)
        while when is not None and f"Step `{when}` has started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        if then is not None:
            then()
        return Ended(process.wait(timeout=600), log.read_text())

    return train


@pytest.fixture(scope="module")
def cut_off(train_remote, store, champion, gate):
    """A run whose store goes away while the small network is being trained, and comes back when the run has ended."""
    run = train_remote("cut_off", when="train_scratch_baseline", then=store.stop)
    store.start()
    return run


@pytest.fixture(scope="module")
def resumed(cut_off, train_remote):
    return train_remote("resumed")


def test_a_store_that_goes_away_is_one_sentence(cut_off, store):
    assert cut_off.code == 1
    assert f"s3://{BUCKET}/artifacts" in cut_off.error
    assert "the same command goes on" in cut_off.error


def test_the_next_run_goes_on_where_it_was(cut_off, resumed):
    assert resumed.code == 0, resumed.said
    assert "train_scratch_baseline" in resumed.started
    assert not {"ingest", "split", "find_suspects"} & set(resumed.started)


def test_the_model_is_that_of_the_local_stack_to_the_bit(resumed, champion, gate):
    (local,), (remote,) = champion.entries[:1], replace(gate, name=NAME).entries()
    same = {name for name, digest in local.digests.items() if remote.digests[name] == digest}
    assert local.digests.keys() - same <= OTHER_DIGESTS
    assert remote.metrics == local.metrics


def test_all_that_steps_hand_on_lies_in_the_bucket_and_the_photos_with_it(resumed, store):
    from botocore.session import Session

    client = Session().create_client(
        "s3",
        endpoint_url=store.url,
        aws_access_key_id="key",
        aws_secret_access_key="not-a-secret",
        region_name="us-east-1",
    )
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    for name in ("snapshot.json", "shards/00000.parquet", "weights.safetensors", "model.onnx", "value.json"):
        assert any(key.endswith(name) for key in keys), name
    assert not [key for key in keys if key.endswith((".pkl", ".pickle"))]


def test_a_third_run_has_nothing_left_to_do(resumed, train_remote):
    run = train_remote("again")
    assert run.code == 0, run.said
    assert run.started == []


def test_a_store_that_is_away_from_the_start_is_the_same_sentence(resumed, train_remote, store):
    store.stop()
    try:
        run = train_remote("away", seed=4712)
    finally:
        store.start()
    assert run.code == 1
    assert f"s3://{BUCKET}/artifacts" in run.error


def test_no_key_stands_in_what_the_runs_said(cut_off, resumed):
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in cut_off.said + resumed.said
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") != CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
