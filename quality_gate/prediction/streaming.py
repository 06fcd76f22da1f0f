"""A batch from its source to the prediction log: streamed, resumed where it stopped, answered and logged once.

The order of things makes it safe to kill at any moment: an answer is first durable in the record, then in the
prediction log, then noted there as logged; only then may its photo be moved. What is repeated after a kill is writing
to the log, which changes nothing the second time.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from quality_gate.batch_settings import INBOX, BatchSettings
from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.monitoring.database import LogUnavailable
from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.prediction.answering import Outcome, PhotoAnswerer
from quality_gate.prediction.batch import Batch, photos_of
from quality_gate.prediction.inbox import ArrivedPhotos
from quality_gate.prediction.record import Record, record_path
from quality_gate.review.photos import PhotosUnavailable
from quality_gate.review.settings import read_review_settings
from quality_gate.review.sweeping import sweep_photos

if TYPE_CHECKING:
    from quality_gate.inference import OnnxClassifier
    from quality_gate.monitoring.prediction_log import PredictionLog
    from quality_gate.progress import Reporter

# So many outcomes become durable together; after a kill so many photos at most, and those in work, are answered anew.
RECORDED_TOGETHER = 32
SECONDS_UNRECORDED = 1.0
# So many answers in one transaction of the prediction log.
LOGGED_TOGETHER = 500


def answer_batch(settings: BatchSettings, classifier: OnnxClassifier, home: Home, reporter: Reporter) -> Batch:
    """Answer every photo of a source that has no answer of this model yet, and log all answers.

    Args:
        settings: which photos.
        classifier: the champion.
        home: of the inbox and the record.
        reporter: told how far it is.

    Returns:
        The batch; its answers are durable in the prediction log.

    Raises:
        UserError: the source cannot be read or holds no photos, the prediction log cannot be used, or the disk is full.
            What was answered until then is kept.
    """
    manifest = classifier.manifest
    version = manifest.version or "candidate"
    photos = photos_of(settings.source, home)
    # What comes from elsewhere is nobody's to wait for.
    arrived = ArrivedPhotos(photos, settings.settle_seconds if settings.source == INBOX else 0.0)
    total = sum(1 for _ in arrived)
    if not total and settings.source != INBOX:
        raise UserError(f"{settings.source}: there are no photos; expected files such as .jpg or .png in it or below.")
    path = record_path(home.batches(manifest.name), settings.source, version)
    reviews = read_review_settings()
    with _open_log() as log, Record(path) as record:
        answerer = PhotoAnswerer(classifier, settings.source, record.given, reviews.open_intake())
        new = 0
        move = reporter.progress("predict") if total else None
        outcomes = answerer.outcomes(arrived, remote=photos.is_remote, workers=settings.workers)
        with _photos_explained(), closing(outcomes):
            for done, added in _recorded(outcomes, record, log):
                new += added
                if move:
                    # Photos may have come or gone since they were counted.
                    move(done, max(total, done + 1))
        with _explained(record):
            _log_waiting(record, log)
        sweep_photos(reviews.open_photos(), lambda: log.database)
        if move:
            move(total, total)
        return Batch(manifest.name, settings.source, version, manifest.classes, str(path), new, arrived.on_their_way)


def _recorded(
    outcomes: Iterable[Outcome], record: Record, log: PredictionLog
) -> Generator[tuple[int, int], None, None]:
    """Record outcomes, and log them as far as the database is there; gives how many are done, and how many newly."""
    done, chunk, recorded_at, unlogged = 0, list[Outcome](), time.monotonic(), 0
    try:
        for done, outcome in enumerate(outcomes, start=1):
            chunk.append(outcome)
            if len(chunk) >= RECORDED_TOGETHER or time.monotonic() - recorded_at >= SECONDS_UNRECORDED:
                new, chunk, recorded_at = record.keep(chunk), [], time.monotonic()
                unlogged += new
                if unlogged >= LOGGED_TOGETHER:
                    unlogged = 0
                    # The database may be back at the end; until then the answers wait in the record.
                    with suppress(LogUnavailable):
                        _log_waiting(record, log)
                yield done, new
    finally:
        # Also of a run that is interrupted: these photos are answered.
        new = record.keep(chunk)
    yield done, new


def _log_waiting(record: Record, log: PredictionLog) -> None:
    while waiting := record.waiting(LOGGED_TOGETHER):
        refused = log.write(waiting)
        if refused:
            raise UserError(
                f"The prediction log {log.name} does not take {len(refused)} answers, the first because: "
                f"{refused[0].reason}; they are kept in {record.path}."
            )
        record.note_logged(waiting)


@contextmanager
def _open_log() -> Iterator[PredictionLog]:
    try:
        log = read_log_settings().open_log()
    except LogUnavailable as error:
        raise UserError(f"The prediction log cannot be used: {error}; mend that and run again.") from None
    with log:
        yield log


@contextmanager
def _photos_explained() -> Iterator[None]:
    try:
        yield
    except PhotosUnavailable as error:
        raise UserError(f"{error}; mend that and run again: what was answered until then is kept.") from None


@contextmanager
def _explained(record: Record) -> Iterator[None]:
    try:
        yield
    except LogUnavailable as error:
        raise UserError(
            f"The prediction log cannot be used: {error}; mend that and run again: the answers wait in {record.path}, "
            "and none is given twice."
        ) from None
