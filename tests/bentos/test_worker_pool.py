import asyncio
import threading

import pytest

from bentos.worker_pool import WorkerPool


def test_the_queue_holds_what_waits_and_forgets_what_was_given_up():
    changes, begun, may_end = [], threading.Event(), threading.Event()
    pool = WorkerPool(1, changes.append)

    def work():
        begun.set()
        may_end.wait(10)

    async def one_works_and_two_wait():
        tasks = [asyncio.create_task(pool.run(work)) for _ in range(3)]
        await asyncio.to_thread(begun.wait, 10)
        waiting = sum(changes)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        may_end.set()
        await tasks[0]
        return waiting

    assert asyncio.run(one_works_and_two_wait()) == 2
    assert sum(changes) == 0
    assert changes.count(1) == 3


def test_what_fails_in_a_thread_fails_for_who_asked():
    def fail():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(WorkerPool(1, lambda _change: None).run(fail))
