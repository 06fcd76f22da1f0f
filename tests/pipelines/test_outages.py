"""What is said when a store is away or full."""

import errno
import os
import subprocess
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError
from mlflow.exceptions import MlflowException
from zenml.enums import StackComponentType

from pipelines import outages
from pipelines.outages import explained_outages, outage
from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE
from quality_gate.training.history import Epoch, TrainingHistory
from steps.materializers import JsonMaterializer


@pytest.fixture(autouse=True)
def _bucket(monkeypatch):
    store = SimpleNamespace(configuration={"path": "s3://bucket/artifacts"}, name="bucket")
    stack = SimpleNamespace(components={StackComponentType.ARTIFACT_STORE: [store]})
    monkeypatch.setattr(outages, "Client", lambda: SimpleNamespace(active_stack_model=stack))


def caused_by(cause):
    """An error of whoever asked the store, as it is caught."""
    error = RuntimeError("failed to save the artifact")
    error.__cause__ = cause
    return error


def test_an_object_store_that_is_away_is_named_with_the_reason_and_what_to_do():
    away = EndpointConnectionError(endpoint_url="http://127.0.0.1:9/bucket")
    assert outage(caused_by(away)) == (
        "the artifact store s3://bucket/artifacts does not answer as it should (Could not connect to the endpoint URL: "
        '"http://127.0.0.1:9/bucket"); the same command goes on where it was.'
    )


def test_a_tracking_server_that_is_away_is_one_sentence():
    away = MlflowException("API request to http://127.0.0.1:9/api failed with exception: refused")
    assert str(outage(away)).startswith(
        "MLflow's server does not answer as it should (API request to http://127.0.0.1:9"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_with_the_file_that_found_no_room(number):
    full = OSError(number, "No space left on device", "/store/value.json")
    assert str(outage(caused_by(full))).startswith("/store/value.json: the disk ")


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for 64 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_an_artifact_store_without_room_ends_in_the_sentence_and_not_in_a_trace(small_disk, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(small_disk))
    history = TrainingHistory(tuple(Epoch(number, 0.3, 0.4, 1.5, 5e-5, False) for number in range(2000)))
    store = small_disk / "artifact"
    store.mkdir()
    with pytest.raises(UserError, match=rf"^{small_disk}.*: the disk is full; free some space"), explained_outages():
        JsonMaterializer(str(store)).save(history)


@pytest.mark.parametrize("error", [ValueError("bad"), OSError(errno.ENOENT, "gone"), MlflowException("no such run")])
def test_other_errors_keep_their_own_end(error):
    assert outage(error) is None
    with pytest.raises(type(error)), explained_outages():
        raise error


def test_a_sentence_that_was_found_already_stays():
    said = UserError("s3://photos cannot be read.")
    said.__cause__ = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^s3://photos cannot be read\.$"), explained_outages():
        raise said
