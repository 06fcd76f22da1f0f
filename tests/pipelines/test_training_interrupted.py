"""Runs that are stopped in the middle: what was there stays, and the next run gives the model it would have given.

Nothing is cached in the runs that are stopped, except for those that train another model up to its promotion.
"""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def interrupt(champion, checkout, configure, photos):
    """Starts a run and signals it, and the processes it started, once ``moment`` has come; exit code and output."""
    same = configure("same_model.yaml", photos, enable_cache=False)
    other = configure("other_model.yaml", photos, seed=7)

    def run(sent, moment, *, other_model=False):
        log = checkout.work / "interrupted.log"
        configuration = other if other_model else same
        process = checkout.start("zenml", "pipeline", "run", "training", "--config", configuration, log=log)
        deadline = time.monotonic() + 300
        while not moment(log.read_text()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.002)
        os.killpg(process.pid, sent)
        return process.wait(timeout=60), log.read_text()

    return run


def in_step(step):
    return lambda said: f"Step `{step}` has started" in said


@pytest.fixture
def while_shards_are_written(checkout):
    """When the folder of a snapshot that is not whole yet appears."""
    working = checkout.root / ".quality_gate" / "working"
    known = set(working.glob("*"))
    return lambda _: any(any(folder.glob("*/*")) for folder in set(working.glob("*")) - known)


@pytest.fixture
def the_next_run_is_right(train, gate, champion):
    """Trains again: the same model as ever, and everything agrees that it is champion."""

    def check():
        run = train("market.yaml")
        assert run.code == 0, run.said
        entry = next(entry for entry in run.entries if entry.version == gate.champion())
        for what in ("data", "split", "weights", "onnx"):
            assert entry.digests[what] == champion.entries[0].digests[what]
        assert gate.agrees_on(entry.version)

    return check


def test_killed_while_the_photos_are_stored(interrupt, while_shards_are_written, gate, the_next_run_is_right):
    before = gate.entries()
    code, _ = interrupt(signal.SIGKILL, while_shards_are_written)
    assert code == -signal.SIGKILL
    assert gate.entries() == before
    the_next_run_is_right()


@pytest.fixture
def at_work_in(checkout, while_shards_are_written):
    """When a step is in the middle of its work."""
    bentos = checkout.root / ".quality_gate" / "bentos"
    return {
        "ingest": while_shards_are_written,
        "train_transfer": lambda said: "features of train: " in said,
        "package": lambda said: in_step("package")(said) and any(bentos.glob(".building-*")),
    }


HEARD = pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="signals are ignored here, as in a background job"
)


@pytest.mark.slow
@HEARD
@pytest.mark.parametrize("step", ["ingest", "train_transfer", "package"])
def test_interrupted_in_a_step(step, interrupt, at_work_in, gate, the_next_run_is_right):
    before = gate.entries()
    code, said = interrupt(signal.SIGINT, at_work_in[step], other_model=step == "package")
    assert ended_cleanly(code, said)
    assert gate.newest_mlflow_run().info.status == "FAILED"
    assert nothing_half_is_used(gate, before)
    the_next_run_is_right()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [pytest.param(signal.SIGINT, marks=HEARD), signal.SIGTERM])
def test_stopped_while_zenml_writes_down_that_a_step_begins(sent, interrupt, gate):
    before = gate.entries()
    code, said = interrupt(sent, in_step("split"))
    assert ended_cleanly(code, said)
    assert nothing_half_is_used(gate, before)


@pytest.mark.slow
def test_killed_in_one_step_after_the_other(interrupt, gate, the_next_run_is_right):
    for step in ("ingest", "train_transfer", "promote", "package"):
        before = gate.entries()
        code, _ = interrupt(signal.SIGKILL, in_step(step), other_model=step in ("promote", "package"))
        assert code == -signal.SIGKILL
        assert nothing_half_is_used(gate, before)
    the_next_run_is_right()


def ended_cleanly(code, said):
    """Exit code 1, and the last thing said is that the run was stopped."""
    return code == 1 and said.rstrip().endswith("Aborted!") and "Traceback" not in said


def nothing_half_is_used(gate, before):
    """What was decided stays decided; what is served and what the alias names are whole models that were promoted."""
    promoted = {entry.version for entry in gate.entries() if entry.event == "promoted"}
    return gate.entries()[: len(before)] == before and {gate.served(), gate.alias()} <= promoted
