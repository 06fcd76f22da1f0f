"""Every answer in the prediction log: durable on this machine before the client gets it, in the database soon after."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from bentos.answers import AnsweredPhoto
from quality_gate.monitoring.log_settings import PredictionLogSettings
from quality_gate.monitoring.outbox import Backlog
from quality_gate.monitoring.prediction import ImageStatistics, Prediction, loggable_name
from quality_gate.review.intake import ReviewIntake

# The time a worker that is told to stop takes at most to bring what waits into the database; the rest stays durable.
FLUSH_SECONDS = 5.0


class PredictionSink:
    """Records answers in the outbox of this machine, from which they are shipped to the database.

    Made in the worker that uses it, since threads do not survive a fork.

    Args:
        settings: where the outbox and the database are.
        intake: says which answers people look at, and keeps their photos.

    Raises:
        OutboxUnavailable: the outbox cannot be made.
    """

    def __init__(self, settings: PredictionLogSettings, intake: ReviewIntake) -> None:
        self._intake = intake
        self._outbox = settings.open_outbox()
        self._shipper = settings.make_shipper()
        self._shipper.start()

    def record(self, answered: Sequence[AnsweredPhoto]) -> None:
        """Keep the answers of one request, and the photos that people look at; both are durable when this returns.

        Raises:
            OutboxUnavailable, PhotosUnavailable: they could not be kept.
        """
        now = datetime.now(UTC)
        predictions = [self._prediction(photo, now) for photo in answered]
        for photo, prediction in zip(answered, predictions, strict=True):
            if prediction.review_reason is not None:
                # Before the record: a photo without one is deleted in time, a record without a photo shows nothing.
                self._intake.keep(photo.image_sha256, photo.data)
        self._outbox.append(predictions)

    def backlog(self) -> Backlog:
        """The answers of all workers that the database does not have yet."""
        return self._outbox.backlog()

    def close(self) -> None:
        """Bring what waits into the database, if it answers; what is left stays in the outbox."""
        self._outbox.close()
        self._shipper.flush(FLUSH_SECONDS)
        self._shipper.close(FLUSH_SECONDS)

    def _prediction(self, photo: AnsweredPhoto, now: datetime) -> Prediction:
        answer = photo.answer
        gate, _, version = answer.model_version.partition(":")
        drawn = self._intake.draw(answer.decision)
        return Prediction(
            id=uuid4(),
            time=now,
            image_sha256=photo.image_sha256,
            image_name=loggable_name(photo.name),
            gate=gate,
            model_version=version,
            label=answer.label,
            probabilities=answer.probabilities,
            confidence=answer.confidence,
            decision=answer.decision,
            threshold=photo.threshold,
            latency_ms=1000 * photo.latency_s,
            origin="service",
            image=ImageStatistics.of(photo.statistics),
            review_reason=drawn.review_reason,
            review_share=drawn.review_share,
            features=photo.features,
        )
