import os
import signal
import subprocess
import sys

import pytest

from quality_gate.working_folder import LOCK_FILE, working_folder

# Makes a working folder with something in it, and says where it is.
WORKER = """
import sys
from pathlib import Path
from quality_gate.working_folder import working_folder
folder = working_folder(Path(sys.argv[1]))
(folder / "deep").mkdir()
(folder / "deep" / "file").write_text("x")
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path):
    """Starts a process with a working folder, and gives both."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, tmp_path / "working"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def folders(tmp_path):
    return sorted(str(path) for path in (tmp_path / "working").iterdir() if path.is_dir())


def test_it_is_removed_when_its_process_ends(worker, tmp_path):
    process, folder = worker()
    assert folders(tmp_path) == [folder]
    process.communicate()
    assert folders(tmp_path) == []


def test_that_of_a_killed_process_is_removed_by_the_next_and_that_of_a_running_one_is_not(worker, tmp_path):
    (killed, abandoned), (_, in_use) = worker(), worker()
    assert folders(tmp_path) == sorted([abandoned, in_use])
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    _, last = worker()
    assert folders(tmp_path) == sorted([in_use, last])


def test_it_is_empty_but_for_its_lock_and_each_is_another(tmp_path):
    first, second = working_folder(tmp_path / "working"), working_folder(tmp_path / "working")
    assert first != second
    assert [path.name for path in first.iterdir()] == [LOCK_FILE]


def test_a_folder_without_a_lock_belongs_to_nobody(tmp_path):
    (tmp_path / "working" / "old").mkdir(parents=True)
    made = working_folder(tmp_path / "working")
    assert folders(tmp_path) == [str(made)]
