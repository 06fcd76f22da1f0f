"""What the review page works with: the desk in the database of the prediction log, and the kept photos."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from bentos.request_log import RequestLog
from bentos.worker_pool import WorkerPool
from quality_gate.models.manifest import ModelManifest
from quality_gate.review.settings import ReviewSettings
from quality_gate.review.sweeping import EVERY_SECONDS, PhotoSweeper

if TYPE_CHECKING:
    from quality_gate.monitoring.database import Database
    from quality_gate.review.desk import ReviewDesk

# Threads of their own: a database that hangs must not take those that answer photos.
_THREADS = 2


class ReviewBackend:
    """The parts of the review page that stay while a worker runs.

    Args:
        open_database: opens the database of the prediction log; called when it is first needed, again after a failure.
        settings: of the reviews.
        log: told of sweeps that fail.
        sweep_seconds: how often photos that are too old or too many are deleted.
    """

    def __init__(
        self,
        open_database: "Callable[[], Database]",
        settings: ReviewSettings,
        log: RequestLog,
        *,
        sweep_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._open_database = open_database
        self._settings = settings
        self._lock = threading.Lock()
        self._database: Database | None = None
        self.photos = settings.open_photos()
        self.pool = WorkerPool(_THREADS, lambda _change: None)

        def failed(error: Exception) -> None:
            log.write(sweep="failed", defect=type(error).__name__)

        self._sweeper = PhotoSweeper(self.photos, self.database, failed, every_seconds=sweep_seconds)
        self._sweeper.start()

    def desk(self, manifest: ModelManifest) -> "ReviewDesk":
        """The desk of a model's gate.

        Raises:
            LogUnavailable: the database does not answer.
            UserError: it cannot be used.
        """
        from quality_gate.review.desk import ReviewDesk

        return ReviewDesk(self.database(), manifest.name, classes=manifest.classes, lease=self._settings.lease)

    def kept(self) -> Callable[[str], bool]:
        """Tells whether the file of a photo is there, as of now."""
        return self.photos.names().__contains__

    def database(self) -> "Database":
        """The database, opened if it is not.

        Raises:
            LogUnavailable: the database does not answer.
            UserError: it cannot be used.
        """
        with self._lock:
            if self._database is None:
                self._database = self._open_database()
            return self._database

    def close(self) -> None:
        """Close what was opened."""
        self._sweeper.close()
        with self._lock:
            if self._database is not None:
                self._database.close()
