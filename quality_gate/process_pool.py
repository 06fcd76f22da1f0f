"""Processes that share work: for Python code, of which threads of one process run only one at a time."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from quality_gate.errors import UserError


@contextmanager
def process_pool(processes: int, failure: str) -> Iterator[Executor]:
    """A pool of processes that ends with the block, or with this process, and drops what was not begun.

    They are spawned, not forked: this process may hold threads (torch, a server) that a fork would freeze half way.

    Args:
        processes: their number.
        failure: what is said where one of them is killed, or cannot start.

    Raises:
        UserError: one of them was killed, or could not start.
    """
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), follow_parent)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise UserError(failure) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def follow_parent() -> None:
    """In a process that was started: leave interruptions to the one that started it, and do not outlive that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
