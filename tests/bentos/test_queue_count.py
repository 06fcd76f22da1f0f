import asyncio
import threading

import pytest

from bentos.queue_count import QueueCount
from bentos.worker_pool import WorkerPool
from quality_gate.monitoring.database import LogUnavailable
from quality_gate.review.verdict import ReviewQueue

QUEUE = ReviewQueue(waiting=3, leased=1, missing=2)


def pool():
    return WorkerPool(1, lambda _change: None)


def test_it_is_counted_anew_each_time():
    found = [QUEUE, ReviewQueue(0, 0, 0)]

    async def ask():
        count = QueueCount(lambda: found.pop(0), pool())
        return [await count.now(), await count.now()]

    assert asyncio.run(ask()) == [QUEUE, ReviewQueue(0, 0, 0)]


def test_those_who_ask_at_the_same_time_share_a_count_and_leave_the_next_one_alone():
    asked = []

    async def ask():
        count = QueueCount(lambda: asked.append(1) or QUEUE, pool())

        async def twice():
            return [await count.now(), await count.now()]

        return await asyncio.gather(*(twice() for _ in range(3)))

    assert asyncio.run(ask()) == [[QUEUE, QUEUE]] * 3
    assert len(asked) == 2


def test_a_database_that_is_away_is_no_failure():
    def away():
        raise LogUnavailable("away")

    assert asyncio.run(QueueCount(away, pool()).now()) is None


def test_a_defect_is_not_passed_over():
    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(QueueCount(broken, pool()).now())


def test_nobody_waits_for_a_database_that_hangs_and_it_is_asked_once():
    answers, asked = threading.Event(), []

    def hang():
        asked.append(1)
        answers.wait(30)
        return QUEUE

    async def ask():
        count = QueueCount(hang, pool(), patience_s=0.01)
        impatient = await asyncio.gather(*(count.now() for _ in range(3)))
        answers.set()
        while (found := await count.now()) is None:
            pass
        return impatient, found

    assert asyncio.run(ask()) == ([None, None, None], QUEUE)
    assert len(asked) == 1
