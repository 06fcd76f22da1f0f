"""From a file to its answer: one photo at a time, so that its answer depends on nothing but the photo and the model."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from quality_gate.data.audit import AuditedFile, read_files
from quality_gate.data.image_facts import measure
from quality_gate.monitoring.prediction import ImageStatistics, Prediction, loggable_name
from quality_gate.preprocess import UnreadableImage, decode, prepare
from quality_gate.processors import available_processors

if TYPE_CHECKING:
    from quality_gate.data.sources import PhotoFile
    from quality_gate.inference import OnnxClassifier
    from quality_gate.review.intake import ReviewIntake

# Of the ids of answers in batches; any will do that stays the same.
_NAMESPACE = UUID("5f1c8f0e-6d3a-4a0b-9b53-0d4c3c1c7f52")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file.

    Attributes:
        id: of the answer: the same whenever the same bytes at the same place meet the same model.
        path: of the file, relative to the source.
        image_sha256: of its bytes; '' where they were not read.
        problem: why it is no usable photo; '' for one that was answered.
        prediction: the answer; None where there is a problem, or where it was given before.
    """

    id: UUID
    path: str
    image_sha256: str
    problem: str
    prediction: Prediction | None


def answer_id(source: str, path: str, image_sha256: str, *, gate: str, model_version: str) -> UUID:
    """The id of an answer, made of all that it is an answer to."""
    return uuid5(_NAMESPACE, json.dumps([gate, model_version, source, path, image_sha256]))


class PhotoAnswerer:
    """Answers files with a model; safe for several threads.

    Args:
        classifier: the model; each thread asks it for one photo at a time.
        source: name of the source, part of what identifies an answer.
        given: tells of a path the ids of the answers given before; these photos are not decoded.
        intake: says which answers people look at, and keeps their photos.
    """

    def __init__(
        self, classifier: OnnxClassifier, source: str, given: Callable[[str], set[UUID]], intake: ReviewIntake
    ) -> None:
        self._intake = intake
        self._classifier = classifier
        self._source = source
        self._given = given
        self.gate = classifier.manifest.name
        self.model_version = classifier.manifest.version or "candidate"

    def outcomes(self, files: Iterable[PhotoFile], *, remote: bool, workers: int = 0) -> Generator[Outcome, None, None]:
        """What comes of files, in their order; at most a few photos are in memory at a time.

        Args:
            files: the files.
            remote: whether each read is a journey.
            workers: threads; 0 means one a processor.

        Raises:
            UserError: a file changes while it is read, or a server stops answering.
            PhotosUnavailable: a photo that people look at cannot be kept.
        """
        yield from read_files(files, self._outcome, remote=remote, workers=workers or available_processors())

    def _outcome(self, read: AuditedFile) -> Outcome:
        started, path, data = time.perf_counter(), read.file.path, read.data
        if data is None:
            return Outcome(self._id(path, ""), path, "", read.problem, None)
        given = self._given(path)
        if given:
            image_sha256 = hashlib.sha256(data).hexdigest()
            if (known := self._id(path, image_sha256)) in given:
                return Outcome(known, path, image_sha256, "", None)
        try:
            prediction = self._answer(path, data, started)
        except UnreadableImage as reason:
            image_sha256 = hashlib.sha256(data).hexdigest()
            return Outcome(self._id(path, image_sha256), path, image_sha256, str(reason), None)
        return Outcome(prediction.id, path, prediction.image_sha256, "", prediction)

    def _answer(self, path: str, data: bytes, started: float) -> Prediction:
        image = decode(data)
        facts = measure(image, data)
        manifest = self._classifier.manifest
        tensor = prepare(image, manifest.preprocessing)
        decision, features = self._classifier.answer(tensor)
        drawn = self._intake.draw(decision.decision)
        if drawn.review_reason is not None:
            self._intake.keep(facts.image_id, data)
        return Prediction(
            id=self._id(path, facts.image_id),
            time=datetime.now(UTC),
            image_sha256=facts.image_id,
            image_name=loggable_name(path),
            gate=self.gate,
            model_version=self.model_version,
            label=decision.label,
            probabilities=decision.probabilities,
            confidence=decision.confidence,
            decision="accept" if decision.decision == "accept" else "review",
            threshold=manifest.routing.threshold if manifest.routing else None,
            latency_ms=1000 * (time.perf_counter() - started),
            origin="batch",
            image=ImageStatistics.of(facts),
            review_reason=drawn.review_reason,
            review_share=drawn.review_share,
            features=features,
        )

    def _id(self, path: str, image_sha256: str) -> UUID:
        return answer_id(self._source, path, image_sha256, gate=self.gate, model_version=self.model_version)
