"""Which answers people look at: all that go to review, and of the accepted a random share."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

from quality_gate.monitoring.prediction import ReviewReason
from quality_gate.review.photos import PhotoStore


class Drawn(NamedTuple):
    """Why a person is to look at an answer, and the chance with which one like it is looked at; None: nobody is to."""

    review_reason: ReviewReason | None
    review_share: float | None


NOT_DRAWN = Drawn(None, None)


class ReviewIntake:
    """Says which answers people look at, and keeps their photos; safe for several threads.

    Args:
        photos: where they are kept.
        audit_share: of the accepted answers, in 0..1.
        random: gives a number in [0, 1). None means the system's own: no state that a fork could copy, and nothing of
            the photo in it, for only then does the share stand for all accepted answers.
    """

    def __init__(self, photos: PhotoStore, audit_share: float, random: Callable[[], float] | None = None) -> None:
        self._photos = photos
        self._audit_share = audit_share
        self._random = random or secrets.SystemRandom().random

    def draw(self, decision: str) -> Drawn:
        """Whether a person is to look at an answer with this decision."""
        if decision == "review":
            return Drawn("review", 1.0)
        return Drawn("audit", self._audit_share) if self._random() < self._audit_share else NOT_DRAWN

    def keep(self, image_sha256: str, data: bytes) -> None:
        """Keep a photo for those who look at it.

        Raises:
            PhotosUnavailable: it cannot be kept.
        """
        self._photos.keep(image_sha256, data)
