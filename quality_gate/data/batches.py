"""Photos as tensors, decoded in parallel a batch ahead of the network that consumes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

BATCH_PHOTOS = 16


def tensor_batches(
    photos: Iterable[bytes], read: Callable[[bytes, int], NDArray[np.float32]], *, workers: int
) -> Iterator[NDArray[np.float32]]:
    """Decode photos in threads; at most two batches are in memory.

    Args:
        photos: encoded photos.
        read: bytes of a photo and its place in ``photos`` to tensors, shape (views, 3, size, size).
        workers: threads.

    Yields:
        float32, shape (views of at most ``BATCH_PHOTOS`` photos, 3, size, size), in order whatever ``workers`` is.
    """
    numbered = enumerate(photos)
    with ThreadPoolExecutor(workers) as pool:

        def submit() -> list[Future[NDArray[np.float32]]]:
            return [pool.submit(read, photo, place) for place, photo in islice(numbered, BATCH_PHOTOS)]

        ahead = submit()
        while ahead:
            now, ahead = ahead, submit()
            yield np.concatenate([job.result() for job in now])
