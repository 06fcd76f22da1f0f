"""Work on photos in parallel, in order, with little in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

# What a GPU answers at once.
BATCH_PHOTOS = 64

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int, at_once: int = 1
) -> Iterator[Result]:
    """Apply ``work`` to items in threads; the libraries that decode and infer let other threads run meanwhile.

    Args:
        work: what is done with each item; must be safe to call from several threads.
        items: taken only as far ahead as the workers need, so that they may be more than fit in memory.
        workers: threads, 1 or more.
        at_once: items a thread is given at a time: handing one over costs a tenth of decoding a small photo.

    Yields:
        The results in the order of ``items``, whatever ``workers`` and ``at_once`` are.
    """
    remaining = iter(items)
    parts = iter(lambda: list(islice(remaining, at_once)), [])
    # What the threads work on, and as many items again for those that are done.
    ahead = workers + -(-workers // at_once)
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(_each, work, part) for part in islice(parts, ahead))
        while running:
            yield from running.popleft().result()
            running.extend(pool.submit(_each, work, part) for part in islice(parts, 1))


def _each(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [work(item) for item in items]


def map_here_and_in(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], *, busy: int, ahead: int
) -> Iterator[Result]:
    """Apply ``work`` to items in a pool, and in this thread too, where it would only wait for the pool.

    Args:
        pool: is given nothing before its first process has started, which takes a while.
        work: what is done with each item.
        items: taken only as they are needed.
        busy: items the pool is to have at a time.
        ahead: items at most that are worked on or done and not given yet.

    Yields:
        The results in the order of ``items``.
    """
    remaining = iter(items)
    # Where this has come back, ``work`` is known there, and all that it imports.
    started = pool.submit(id, work)
    running: deque[Future[Result]] = deque()
    while True:
        if started.done():
            free = min(busy - sum(not one.done() for one in running), ahead - len(running))
            running.extend(pool.submit(work, item) for item in islice(remaining, free))
        must_wait = not (running and running[0].done())
        if must_wait and len(running) < ahead and (own := list(islice(remaining, 1))):
            running.append(Future())
            running[-1].set_result(work(own[0]))
        elif running:
            yield running.popleft().result()
        else:
            return


def tensor_batches(
    photos: Iterable[bytes], read: Callable[[int, bytes], NDArray[np.float32]], *, workers: int
) -> Iterator[tuple[NDArray[np.float32], list[int]]]:
    """Decode photos in threads, ahead of the network that consumes them in batches.

    Args:
        photos: encoded photos.
        read: place and bytes of a photo to tensors, shape (rows, 3, size, size).
        workers: threads.

    Yields:
        The rows of at most ``BATCH_PHOTOS`` photos, float32, shape (rows, 3, size, size); and how many each photo has.
    """
    tensors = ordered_map(lambda numbered: read(*numbered), enumerate(photos), workers=workers)
    while batch := list(islice(tensors, BATCH_PHOTOS)):
        yield np.concatenate(batch), [len(rows) for rows in batch]
