import os
import subprocess
import sys

import pytest


@pytest.fixture
def read_only(tmp_path):
    folder = tmp_path / "read_only"
    folder.mkdir(mode=0o555)
    if os.geteuid() != 0:
        yield folder
        return
    # Root may write everywhere but where the file system itself is read-only.
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def start_zenml(state):
    environment = {**os.environ, "ZENML_CONFIG_PATH": str(state)}
    return subprocess.run(
        [sys.executable, "-c", "import zenml"], env=environment, capture_output=True, text=True, check=False
    )


def test_a_state_that_cannot_be_written_is_told_in_a_sentence(read_only):
    ended = start_zenml(read_only / "state" / "zenml")

    assert ended.returncode == 1
    assert ended.stderr == (
        f"Error: {read_only}/state/zenml is to hold the state of ZenML, and {read_only} cannot be written; "
        "name a folder that may hold all state in QUALITY_GATE_HOME.\n"
    )


def test_a_state_that_is_not_there_yet_may_be_made(tmp_path):
    assert start_zenml(tmp_path / "state" / "zenml").returncode == 0
