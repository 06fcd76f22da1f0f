"""Threads that decode and classify: as many photos at once as there are threads, so that memory is bounded."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class WorkerPool:
    """Threads of a worker process.

    Args:
        threads: how many, 1 or more.
        queue_changed: told by how many the work that waits for a thread has changed; called in any thread.
    """

    def __init__(self, threads: int, queue_changed: Callable[[int], None]) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="photo")
        self._queue_changed = queue_changed

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work`` in a thread; work whose request has ended meanwhile is never begun."""

        def begin() -> T:
            self._queue_changed(-1)
            return work(*args, **kwargs)

        self._queue_changed(1)
        future = self._pool.submit(begin)
        future.add_done_callback(self._never_begun)
        return await asyncio.wrap_future(future)

    def _never_begun(self, future: "Future[T]") -> None:
        if future.cancelled():
            self._queue_changed(-1)
