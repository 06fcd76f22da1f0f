"""Ctrl-C and SIGTERM end a run cleanly, wherever it is."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from zenml.orchestrators.signal_handler import SignalHandler

# Code that may hold a transaction. Left in the middle, it would keep its database locked, and ZenML, which then writes
# down that the run has failed, would wait for that lock for ever.
_TRANSACTIONS = ("sqlalchemy", "zenml.zen_stores", "mlflow.store")

_SECONDS_BETWEEN_TRIES = 0.02


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT and SIGTERM, as soon as no transaction is open.

    It stands in for ZenML's own handler, which asks the store in the middle of whatever the store is doing. Signals
    that were ignored stay ignored; outside the main thread, which gets no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    register = SignalHandler.register
    SignalHandler.register = lambda handler: handler  # type: ignore[method-assign]
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in former.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        SignalHandler.register = register  # type: ignore[method-assign]


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _in_transaction(frame):
        raise KeyboardInterrupt
    # A real signal: it also wakes a main thread that waits for something.
    again = threading.Timer(_SECONDS_BETWEEN_TRIES, signal.pthread_kill, [threading.get_ident(), number])
    again.daemon = True
    again.start()


def _in_transaction(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_TRANSACTIONS):
            return True
        frame = frame.f_back
    return False
