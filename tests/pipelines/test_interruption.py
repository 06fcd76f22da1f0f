"""Signals end a run, but never in the middle of a transaction."""

import os
import signal
import threading
import time

import pytest
from zenml.orchestrators.signal_handler import SignalHandler

from pipelines.interruption import interruptible

pytestmark = pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="signals are ignored here, as in a background job"
)

TRANSACTION = """
def transact(number, steps):
    steps.append("begun")
    os.kill(os.getpid(), number)
    time.sleep(0.1)
    steps.append("committed")
"""


def transaction_in(module):
    """A function of a module of that name: it gets a signal before it is through."""
    names = {"__name__": module, "os": os, "time": time}
    exec(TRANSACTION, names)
    return names["transact"]


def run(work, *arguments):
    """Do some work, and then much more that takes long."""
    with interruptible():
        work(*arguments)
        for _ in range(50):
            time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run(number):
    with pytest.raises(KeyboardInterrupt):
        run(os.kill, os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["sqlalchemy.engine", "zenml.zen_stores.sql_zen_store", "mlflow.store.tracking"])
def test_a_transaction_is_ended_first(number, module):
    steps = []
    with pytest.raises(KeyboardInterrupt):
        run(transaction_in(module), number, steps)
    assert steps == ["begun", "committed"]


def test_other_code_is_interrupted_at_once():
    steps = []
    with pytest.raises(KeyboardInterrupt):
        run(transaction_in("steps.ingest"), signal.SIGINT, steps)
    assert steps == ["begun"]


def test_zenml_puts_no_handler_of_its_own_in_place_while_a_run_goes_on():
    with interruptible():
        ours = signal.getsignal(signal.SIGINT)
        SignalHandler(step_run=None, execution_mode=None).register()
        assert signal.getsignal(signal.SIGINT) is ours


def test_everything_is_as_before_afterwards():
    def found():
        return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), SignalHandler.register

    former = found()
    with interruptible():
        assert not set(found()) & set(former)
    assert found() == former


def test_a_late_signal_wakes_a_run_that_waits():
    waiting = threading.Event()
    with pytest.raises(KeyboardInterrupt), interruptible():
        transaction_in("sqlalchemy")(signal.SIGINT, []) or waiting.wait(60)


def test_an_ignored_signal_stays_ignored():
    former = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, former)


def test_outside_the_main_thread_nothing_changes():
    seen = []

    def run():
        with interruptible():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
