"""What is logged of an answer; only the standard library is imported, so that a server starts quickly.

:class:`Prediction` is the record, :class:`ImageStatistics` the part of it that describes the photo, and
:func:`loggable_name` makes any file name one that can be kept.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, get_args
from uuid import UUID

if TYPE_CHECKING:
    from quality_gate.data.image_facts import ImageFacts

DecisionName = Literal["accept", "review"]
Origin = Literal["service", "batch"]
ReviewReason = Literal["review", "audit"]

MAX_NAME_LENGTH = 255
MAX_FEATURES_BYTES = 4096

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Databases refuse NUL and half characters; other control characters would forge lines of what people read.
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """What drift needs to know of a photo; measured as in the image table of the training data.

    Attributes:
        width: in pixels, above 0.
        height: in pixels, above 0.
        file_size_kb: of the encoded photo, in units of 1024 bytes.
        brightness: mean grey level, in 0..1.
        contrast: standard deviation of the grey levels, in 0..1.
        red_mean: in 0..1.
        green_mean: in 0..1.
        blue_mean: in 0..1.
        sharpness: variance of the Laplacian, 0 or more.

    Raises:
        ValueError: a value is out of its range; the message names the field.
    """

    width: int
    height: int
    file_size_kb: float
    brightness: float
    contrast: float
    red_mean: float
    green_mean: float
    blue_mean: float
    sharpness: float

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            edge = getattr(self, name)
            if type(edge) is not int or not 0 < edge <= _MAX_INTEGER:
                raise ValueError(f"{name} is {edge!r}; expected pixels, 1 or more")
        for name in ("file_size_kb", "sharpness"):
            _check_number(name, getattr(self, name), math.inf)
        for name in ("brightness", "contrast", "red_mean", "green_mean", "blue_mean"):
            _check_number(name, getattr(self, name), 1.0)

    @classmethod
    def of(cls, facts: ImageFacts) -> ImageStatistics:
        """The statistics among what :func:`quality_gate.data.image_facts.measure` found."""
        return cls(**{name: getattr(facts, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer of a model.

    Attributes:
        id: made by whoever answered; an answer that is logged twice is kept once.
        time: when it was given, in UTC.
        image_sha256: of the encoded photo, 64 hexadecimal digits in lower case.
        image_name: what the sender called the photo, as :func:`loggable_name` gives it; '' for none.
        gate: name of the gate.
        model_version: of the model in the registry, or ``candidate``.
        label: the answer; the most probable class, unless a watched one reached its threshold.
        probabilities: of every class, in 0..1.
        confidence: the probability of the label.
        decision: ``accept`` or ``review``.
        threshold: the confidence from which answers were accepted; None where nothing is accepted unseen.
        latency_ms: from the photo's arrival to its answer, in milliseconds.
        origin: ``service`` or ``batch``.
        image: the statistics of the photo.
        review_reason: why a person is to look at it: ``review``, its decision, or ``audit``, drawn at random from the
            accepted; None: nobody is asked to.
        review_share: the chance with which an answer like it is looked at, in (0, 1]; None without a reason.
        features: what the network saw of the photo, float16 one after the other; None where it is not known.

    Raises:
        ValueError: a value is out of its range; the message names the field.
    """

    id: UUID
    time: datetime
    image_sha256: str
    image_name: str
    gate: str
    model_version: str
    label: str
    probabilities: Mapping[str, float]
    confidence: float
    decision: DecisionName
    threshold: float | None
    latency_ms: float
    origin: Origin
    image: ImageStatistics
    review_reason: ReviewReason | None = None
    review_share: float | None = None
    features: bytes | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, UUID):
            raise ValueError(f"id is {self.id!r}; expected a UUID")
        if not isinstance(self.time, datetime) or self.time.utcoffset() != timedelta(0):
            raise ValueError(f"time is {self.time!r}; expected a time in UTC")
        if not isinstance(self.image_sha256, str) or not _SHA256.fullmatch(self.image_sha256):
            raise ValueError(f"image_sha256 is {self.image_sha256!r}; expected 64 hexadecimal digits in lower case")
        _check_text("image_name", self.image_name, shortest=0)
        for name in ("gate", "model_version", "label"):
            _check_text(name, getattr(self, name), shortest=1)
        self._check_probabilities()
        _check_one_of("decision", self.decision, get_args(DecisionName))
        _check_one_of("origin", self.origin, get_args(Origin))
        _check_review(self.review_reason, self.review_share)
        if self.threshold is not None:
            _check_number("threshold", self.threshold, math.inf)
        _check_number("latency_ms", self.latency_ms, math.inf)
        _check_features(self.features)

    def _check_probabilities(self) -> None:
        for label, probability in self.probabilities.items():
            _check_text("probabilities", label, shortest=1)
            # Rounding may bring the sum of what is certain a little above 1.
            _check_number(f"probabilities[{label!r}]", probability, 1.0 + 1e-6)
        if self.label not in self.probabilities:
            raise ValueError(f"label is {self.label!r}; expected one of {', '.join(self.probabilities) or 'no class'}")
        _check_number("confidence", self.confidence, 1.0 + 1e-6)

    def to_json(self) -> str:
        """The prediction as one line of JSON, without the line's end."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values |= {"id": self.id.hex, "time": self.time.isoformat(), "probabilities": dict(self.probabilities)}
        values["image"] = {name: getattr(self.image, name) for name in self.image.__slots__}
        if self.features is None:
            # As in lines that were written before there were any.
            del values["features"]
        else:
            values["features"] = binascii.b2a_base64(self.features, newline=False).decode()
        return json.dumps(values, separators=(",", ":"), allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str | bytes) -> Prediction:
        """Rebuild a prediction from :meth:`to_json`.

        Raises:
            ValueError: the line holds no prediction; the message says why.
        """
        try:
            values = json.loads(line)
            values["id"] = UUID(values["id"])
            values["time"] = datetime.fromisoformat(values["time"])
            values["image"] = ImageStatistics(**values["image"])
            if values.get("features") is not None:
                values["features"] = binascii.a2b_base64(values["features"], strict_mode=True)
            return cls(**values)
        except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"no prediction ({type(error).__name__}: {error})") from None


def loggable_name(name: str) -> str:
    """The name a sender gave a photo, as it can be kept: one line of at most 255 characters that every database takes.

    Characters that are none, such as NUL and line ends, become ``?``; of a longer name the end is kept.
    """
    return _NOT_TEXT.sub("?", name)[-MAX_NAME_LENGTH:]


def _check_text(name: str, text: object, *, shortest: int) -> None:
    if not isinstance(text, str) or not shortest <= len(text) <= MAX_NAME_LENGTH or _NOT_TEXT.search(text):
        raise ValueError(f"{name} is {text!r}; expected {shortest} to {MAX_NAME_LENGTH} characters on one line")


def _check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; expected {' or '.join(allowed)}")


def _check_review(reason: str | None, share: float | None) -> None:
    if reason is None:
        if share is not None:
            raise ValueError(f"review_share is {share!r}; expected none without a review_reason")
        return
    _check_one_of("review_reason", reason, get_args(ReviewReason))
    _check_number("review_share", share, 1.0)
    if share == 0 or (reason == "review" and share != 1):
        raise ValueError(f"review_share is {share!r}; expected more than 0, and 1 where the review_reason is review")


def _check_features(features: object) -> None:
    if features is None:
        return
    if not isinstance(features, bytes) or len(features) % 2 or len(features) > MAX_FEATURES_BYTES:
        raise ValueError(f"features is {features!r}; expected float16 values in at most {MAX_FEATURES_BYTES} bytes")


def _check_number(name: str, value: object, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most or math.isinf(value):
        raise ValueError(f"{name} is {value!r}; expected {'0 or more' if math.isinf(most) else '0 to 1'}")
