"""Processes that share work: for Python code, of which threads of one process run only one at a time."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from quality_gate.errors import UserError

SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def process_pool(processes: int, failure: str) -> Iterator[Executor]:
    """A pool of processes that is killed at the end of the block, whatever it is at, and ends with this process.

    They are started anew, not forked: this process may hold threads (torch, a server) that a fork would freeze half
    way. Unlike those of :mod:`multiprocessing` they do not import the program that started them, which takes ``zenml``
    seconds.

    Args:
        processes: their number.
        failure: what is said where one of them is killed, or cannot start.

    Raises:
        UserError: one of them was killed, or could not start.
    """
    from loky import ProcessPoolExecutor

    try:
        pool = ProcessPoolExecutor(processes, initializer=follow_parent, initargs=(os.getpid(),))
        # It starts its processes when it is first given something.
        pool.submit(int)
    except OSError as error:
        raise UserError(failure) from error
    try:
        yield pool
    except BrokenProcessPool as error:
        raise UserError(failure) from error
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def follow_parent(parent: int) -> None:
    """In a process that was started: leave interruptions to the one that started it, and do not outlive that.

    Args:
        parent: number of the process that started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
