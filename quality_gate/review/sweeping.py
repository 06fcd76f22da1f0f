"""Deletes kept photos that are too old or too many, while a service runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from quality_gate.review.photos import PhotoStore

if TYPE_CHECKING:
    from quality_gate.monitoring.database import Database

EVERY_SECONDS = 300.0


def sweep_photos(photos: PhotoStore, database: Callable[[], Database]) -> int:
    """Delete what is too old or too much; while the database is away nothing is known to be reviewed.

    Args:
        photos: the kept photos.
        database: opens that of the reviews.

    Returns:
        How many photos were deleted.
    """
    from quality_gate.errors import UserError
    from quality_gate.monitoring.database import LogUnavailable
    from quality_gate.review.reading import reviewed_among

    def reviewed(asked: Collection[str]) -> set[str]:
        try:
            return reviewed_among(database(), asked)
        except (LogUnavailable, UserError):
            return set()

    return photos.sweep(reviewed)


class PhotoSweeper:
    """A thread that sweeps the kept photos from time to time.

    Args:
        photos: the kept photos.
        database: opens that of the reviews.
        failed: told what went wrong; the next time it is tried again.
        every_seconds: how often it sweeps.
    """

    def __init__(
        self,
        photos: PhotoStore,
        database: Callable[[], Database],
        failed: Callable[[Exception], None],
        *,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._photos = photos
        self._database = database
        self._failed = failed
        self._every_seconds = every_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="photo sweeper", daemon=True)

    def start(self) -> None:
        """Begin; the first time after the first pause."""
        self._thread.start()

    def close(self) -> None:
        """Sweep no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._every_seconds):
            try:
                sweep_photos(self._photos, self._database)
            except Exception as error:  # A sweep that fails must not be the last.
                self._failed(error)
