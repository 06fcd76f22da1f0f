import os
import re
import signal
import subprocess
import sys

import pytest

from quality_gate.errors import UserError
from quality_gate.run_lock import LOCK_FILE, only_run

HOLD = """
import sys, time
from pathlib import Path
from quality_gate.run_lock import only_run
with only_run(Path(sys.argv[1]), "gate"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of ``tmp_path``."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_told_who_is_at_it_since_when_and_what_to_do(holder, tmp_path):
    with pytest.raises(UserError) as caught, only_run(tmp_path, "gate"):
        pytest.fail("two runs at once")
    since = r"\d{4}-\d\d-\d\dT[\d:]+\+00:00"
    pattern = rf"gate is being trained by the process {holder.pid} since {since}; wait .*, stop it, .*`name:`\."
    assert re.fullmatch(pattern, caught.value.message)


def test_the_sentence_says_what_the_gate_is_used_for(holder, tmp_path):
    with (
        pytest.raises(
            UserError, match=rf"^gate is being used for a batch by the process {holder.pid} .* another `source:`\.$"
        ),
        only_run(tmp_path, "gate", use="used for a batch", key="source"),
    ):
        pytest.fail("two runs at once")


def test_the_holder_keeps_the_lock_though_another_asked(holder, tmp_path):
    for _ in range(2):
        with pytest.raises(UserError, match=f"process {holder.pid} "), only_run(tmp_path, "gate"):
            pytest.fail("two runs at once")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_the_lock_ends_with_the_process(holder, tmp_path, sent):
    os.kill(holder.pid, sent)
    holder.wait()
    with only_run(tmp_path, "gate"):
        assert (tmp_path / LOCK_FILE).read_text().split()[0] == str(os.getpid())


def test_runs_of_other_gates_go_on_side_by_side(holder, tmp_path):
    with only_run(tmp_path / "other", "other"):
        assert holder.poll() is None


def test_one_run_after_the_other_may_train(tmp_path):
    folder = tmp_path / "new" / "gate"
    for _ in range(2):
        with only_run(folder, "gate"):
            assert (folder / LOCK_FILE).read_text().split()[0] == str(os.getpid())


def test_a_run_that_fails_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), only_run(tmp_path, "gate"):
        raise ZeroDivisionError
    with only_run(tmp_path, "gate"):
        pass


def test_a_holder_that_has_not_written_yet_is_told_without_its_number(holder, tmp_path):
    (tmp_path / LOCK_FILE).write_text("")
    with pytest.raises(UserError, match="unknown number"), only_run(tmp_path, "gate"):
        pytest.fail("two runs at once")
