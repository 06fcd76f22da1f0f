"""Which answers people look at: all that go to review, and of the accepted a random share."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from quality_gate.monitoring.prediction import ReviewReason
from quality_gate.review.photos import PhotoStore


class ReviewIntake:
    """Says which answers people look at, and keeps their photos; safe for several threads.

    Args:
        photos: where they are kept.
        audit_share: of the accepted answers, in 0..1.
        draw: gives a number in [0, 1). None means the system's own: no state that a fork could copy, and nothing of
            the photo in it, for only then does the share stand for all accepted answers.
    """

    def __init__(self, photos: PhotoStore, audit_share: float, draw: Callable[[], float] | None = None) -> None:
        self._photos = photos
        self._audit_share = audit_share
        self._draw = draw or secrets.SystemRandom().random

    def reason(self, decision: str) -> ReviewReason | None:
        """Why a person is to look at an answer; None: nobody is asked to."""
        if decision == "review":
            return "review"
        return "audit" if self._draw() < self._audit_share else None

    def keep(self, image_sha256: str, data: bytes) -> None:
        """Keep a photo for those who look at it.

        Raises:
            PhotosUnavailable: it cannot be kept.
        """
        self._photos.keep(image_sha256, data)
