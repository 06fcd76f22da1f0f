import os
import signal
import subprocess
import sys
import time

import loky
import psutil
import pytest

from quality_gate.errors import UserError
from quality_gate.process_pool import process_pool

PROGRAM = """
import os, sys, time
print("program", flush=True)
if __name__ == "__main__":
    from quality_gate.process_pool import process_pool
    with process_pool(1, "failed") as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def program(tmp_path):
    """A program that has printed that it runs, and holds a pool until it is told to end."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    started = subprocess.Popen([sys.executable, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield started
    started.kill()
    started.communicate(timeout=20)


def runs(process):
    # Who is no longer waited for by anybody still has a number.
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def ends(process):
    deadline = time.monotonic() + 20
    while runs(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not runs(process)


def test_its_processes_do_not_go_through_the_program_that_started_them(program):
    assert program.stdout.readline() == "program\n"
    assert int(program.stdout.readline()) != program.pid
    assert program.communicate("", timeout=20)[0] == ""
    assert program.returncode == 0


def test_its_processes_do_not_outlive_the_one_that_started_them(program):
    program.stdout.readline()
    process = int(program.stdout.readline())
    assert runs(process)
    program.kill()
    assert ends(process)


def test_its_processes_end_with_the_block():
    with process_pool(2, "failed") as pool:
        process = pool.submit(os.getpid).result()
        assert process != os.getpid()
        assert runs(process)
    assert ends(process)


def test_its_processes_leave_interruptions_to_the_one_that_started_them():
    with process_pool(1, "failed") as pool:
        process = pool.submit(os.getpid).result()
        os.kill(process, signal.SIGINT)
        assert pool.submit(os.getpid).result() == process


def test_a_process_that_is_killed_is_one_sentence():
    with pytest.raises(UserError, match=r"^too little memory$"), process_pool(1, "too little memory") as pool:
        pool.submit(os.kill, pool.submit(os.getpid).result(), signal.SIGKILL).result()


def test_processes_that_cannot_start_are_one_sentence(monkeypatch):
    def fail(*_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(loky.ProcessPoolExecutor, "submit", fail)
    with pytest.raises(UserError, match=r"^too little memory$"), process_pool(1, "too little memory"):
        pass


def test_what_goes_wrong_in_the_block_is_no_failure_of_the_pool():
    with pytest.raises(OSError, match="the disk is full"), process_pool(1, "too little memory"):
        raise OSError(28, "the disk is full")
