import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data.batches import BATCH_PHOTOS, map_here_and_in, ordered_map, tensor_batches


@given(items=st.lists(st.integers()), workers=st.integers(1, 5), at_once=st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_results_come_in_order_whatever_the_number_of_workers(items, workers, at_once):
    results = ordered_map(lambda item: item * 3, iter(items), workers=workers, at_once=at_once)
    assert list(results) == [item * 3 for item in items]


def test_a_slow_first_item_is_waited_for():
    others_done = threading.Semaphore(0)

    def work(item):
        if item == 0:
            others_done.acquire()
        else:
            others_done.release()
        return item

    assert list(ordered_map(work, range(4), workers=2)) == [0, 1, 2, 3]


@pytest.mark.parametrize(("workers", "at_once", "most"), [(1, 1, 2), (3, 1, 6), (3, 4, 16)])
def test_items_are_taken_only_as_far_ahead_as_the_workers_need(workers, at_once, most):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = ordered_map(lambda item: item, items(), workers=workers, at_once=at_once)
    assert taken == []
    for received in range(1, 20):
        next(results)
        assert len(taken) <= most + received
    results.close()
    assert len(taken) < 50


def test_an_error_of_the_work_is_the_callers():
    def work(item):
        if item == 2:
            raise ValueError("no photo")
        return item

    results = ordered_map(work, range(10), workers=2)

    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="no photo"):
        next(results)


@pytest.mark.parametrize("photos", [0, 1, BATCH_PHOTOS, 2 * BATCH_PHOTOS + 3])
@pytest.mark.parametrize("views", [1, 3])
def test_batches_hold_all_views_of_their_photos_in_order(photos, views):
    def read(place, photo):
        assert photo == bytes([place])
        return np.full((views, 3, 2, 2), place, dtype=np.float32)

    batches = list(tensor_batches((bytes([place]) for place in range(photos)), read, workers=3))

    assert [sizes for _, sizes in batches[:-1]] == [[views] * BATCH_PHOTOS] * (len(batches) - 1)
    assert all(sum(sizes) == len(batch) for batch, sizes in batches)
    rows = np.concatenate([np.empty((0, 3, 2, 2)), *(batch for batch, _ in batches)])[:, 0, 0, 0]
    assert rows.tolist() == np.arange(photos).repeat(views).tolist()
    assert all(batch.dtype == np.float32 for batch, _ in batches)


class Asleep(Executor):
    """A pool that begins nothing, or all of it once it is woken."""

    def __init__(self):
        self.given = []

    def submit(self, work, /, *arguments):
        self.given.append((Future(), work, arguments))
        return self.given[-1][0]

    def wake(self):
        for future, work, arguments in self.given:
            future.set_result(work(*arguments))
        self.given = []


@given(items=st.lists(st.integers()), busy=st.integers(1, 5), more=st.integers(0, 5))
@settings(deadline=None, max_examples=50)
def test_results_come_in_order_whoever_did_the_work(items, busy, more):
    with ThreadPoolExecutor(2) as pool:
        results = map_here_and_in(pool, lambda item: item * 3, iter(items), busy=busy, ahead=busy + more)
        assert list(results) == [item * 3 for item in items]


def test_all_is_done_here_while_the_pool_is_starting():
    pool, here = Asleep(), []
    assert list(map_here_and_in(pool, lambda item: here.append(item) or item, range(5), busy=2, ahead=4)) == here
    assert here == list(range(5))


def test_who_would_wait_for_the_pool_works_too_and_only_so_far_ahead():
    pool, done = Asleep(), []

    def work(item):
        done.append(item)
        # The last that may wait for 1 and 2, which the pool has.
        if item == 6:
            pool.wake()
        return item

    results = map_here_and_in(pool, work, range(9), busy=2, ahead=6)
    assert next(results) == 0
    pool.wake()
    assert next(results) == 1
    assert done == [0, 3, 4, 5, 6, 1, 2]
    assert next(results) == 2


def test_a_pool_that_is_faster_than_who_asks_does_not_run_ahead():
    class AtOnce(Asleep):
        def submit(self, work, /, *arguments):
            future = super().submit(work, *arguments)
            self.wake()
            return future

    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    results = map_here_and_in(AtOnce(), lambda item: item, items(), busy=3, ahead=8)
    for received in range(1, 30):
        next(results)
        assert len(taken) < 8 + received
