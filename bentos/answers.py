"""From the bytes of a photo to its answer, and the one place where an answered photo becomes a record."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bentos.refusals import Refusal, unusable
from bentos.routing import Router
from bentos.settings import ServiceSettings
from bentos.upload import Photo
from quality_gate.data.image_facts import ImageFacts, measure
from quality_gate.inference import Decision, OnnxClassifier
from quality_gate.monitoring.outbox import Backlog, OutboxUnavailable
from quality_gate.preprocess import UnreadableImage, decode, prepare
from quality_gate.review.photos import PhotosUnavailable


@dataclass(frozen=True)
class AnsweredPhoto:
    """One answer, with what a record of it needs.

    Attributes:
        answer: what the client gets.
        threshold: confidence from which it would have been accepted; None: never.
        image_sha256: of the encoded photo, hexadecimal.
        name: what the client calls the photo, as it was sent: hostile text of any length.
        statistics: what was measured of the photo.
        latency_s: from the arrival of the request to this answer, in seconds.
        data: the encoded photo, as it was sent.
        features: what the network saw of the photo, as it is logged; None where it hands that out to nobody.
    """

    answer: Decision
    threshold: float | None
    image_sha256: str
    name: str
    statistics: ImageFacts
    latency_s: float
    data: bytes
    features: bytes | None = None


class AnswerSink(Protocol):
    """Where answers are recorded before clients get them; used by several threads at once."""

    def record(self, answered: Sequence[AnsweredPhoto]) -> None:
        """Keep the answers of one request; they are durable when this returns.

        Raises:
            OutboxUnavailable, PhotosUnavailable: they could not be kept; the client is told to come again.
        """

    def backlog(self) -> Backlog:
        """The answers that are durable, but not yet where people look for them."""


class Answerer:
    """Answers photos with one model; its methods may run in several threads at once.

    Args:
        classifier: the model.
        router: accept or review.
        settings: what of a photo is accepted.
        sink: where the answers are recorded.
    """

    def __init__(self, classifier: OnnxClassifier, router: Router, settings: ServiceSettings, sink: AnswerSink) -> None:
        self._classifier = classifier
        self._router = router
        self._settings = settings
        self._sink = sink

    def read(self, photo: Photo) -> Image.Image:
        """The decoded photo.

        Raises:
            Refusal: 422, it cannot be used; the sentence says why.
        """
        try:
            return decode(photo.data, formats=self._settings.formats, max_pixels=self._settings.max_pixels)
        except UnreadableImage as error:
            raise unusable(f"The photo cannot be used: {_one_line(error)}.") from None

    def answer(self, photo: Photo, threshold: float | None, arrived: float) -> AnsweredPhoto:
        """Answer one photo.

        Args:
            photo: as it was sent.
            threshold: of its request, from the router.
            arrived: when its request came, by ``time.perf_counter``.

        Raises:
            Refusal: 422, the photo cannot be used.
        """
        image = self.read(photo)
        # Measured while its pixels are in the cache of the processor, and given up before the network needs that.
        statistics = measure(image, photo.data)
        tensor = self._prepare(image)
        del image
        decision, features = self._classifier.answer(tensor)
        return AnsweredPhoto(
            answer=self._router.route(decision, threshold),
            threshold=threshold,
            image_sha256=statistics.image_id,
            name=photo.name,
            statistics=statistics,
            latency_s=time.perf_counter() - arrived,
            data=photo.data,
            features=features,
        )

    def classify(self, image: Image.Image) -> Decision:
        """The model's own answer for a decoded photo."""
        return self._classifier.answer(self._prepare(image))[0]

    def _prepare(self, image: Image.Image) -> NDArray[np.float32]:
        return prepare(image, self._classifier.manifest.preprocessing)

    def record(self, answered: Sequence[AnsweredPhoto]) -> None:
        """Hand answers to the sink.

        Raises:
            Refusal: 503, they cannot be recorded; without a record nobody gets an answer.
        """
        try:
            self._sink.record(answered)
        except (OutboxUnavailable, PhotosUnavailable):
            sentence = "The answer cannot be recorded now; try again in a few seconds."
            raise Refusal(503, sentence, {"Retry-After": "5"}) from None


def _one_line(error: Exception) -> str:
    """The reason without line ends, and without the end of a sentence."""
    return " ".join(str(error).split())[:300].rstrip(".")
