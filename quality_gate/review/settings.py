"""Settings of the reviews, from the environment of the process that answers or is asked for labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from quality_gate.home import locate
from quality_gate.review.intake import ReviewIntake
from quality_gate.review.photos import PhotoStore
from quality_gate.settings_section import Settings, parse_variables

# Which environment variable sets what.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "QUALITY_GATE_AUDIT_SHARE": "audit_share",
        "QUALITY_GATE_REVIEW_PHOTOS": "photos",
        "QUALITY_GATE_REVIEW_RETENTION_DAYS": "retention_days",
        "QUALITY_GATE_REVIEW_MAX_MB": "max_mb",
        "QUALITY_GATE_REVIEW_LEASE_SECONDS": "lease_seconds",
    }
)


class ReviewSettings(Settings):
    """What people look at, and for how long it is kept.

    Attributes:
        photos: folder of the kept photos; servers that share a database share it too.
        audit_share: of the accepted answers, drawn at random: what people say of them is an unbiased estimate of how
            often accepted answers are wrong. 0: none.
        retention_days: photos are deleted so many days after they came last.
        max_mb: how much the photos may take together, in megabytes (10⁶ bytes); beyond it the oldest reviewed photos
            that a retraining has taken are deleted first, then the oldest.
        lease_seconds: how long a photo is nobody else's once it is shown to somebody.
    """

    photos: Path
    audit_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    retention_days: Annotated[float, Field(gt=0, le=36_500)] = 90.0
    max_mb: Annotated[float, Field(ge=1, le=1e9)] = 5_000.0
    lease_seconds: Annotated[float, Field(ge=1, le=86_400)] = 600.0

    @property
    def lease(self) -> timedelta:
        """How long a photo is nobody else's once it is shown to somebody."""
        return timedelta(seconds=self.lease_seconds)

    def open_photos(self, *, durable: bool = True) -> PhotoStore:
        """The kept photos.

        Args:
            durable: whether a kept photo survives the loss of power.
        """
        retention = timedelta(days=self.retention_days)
        return PhotoStore(self.photos, max_bytes=int(self.max_mb * 1e6), retention=retention, durable=durable)

    def open_intake(self, *, durable: bool = True) -> ReviewIntake:
        """What says which answers people look at, and keeps their photos."""
        return ReviewIntake(self.open_photos(durable=durable), self.audit_share)


def read_review_settings(environment: Mapping[str, str] | None = None) -> ReviewSettings:
    """The settings that environment variables make; an empty one says nothing.

    Args:
        environment: in place of that of this process. Without ``QUALITY_GATE_REVIEW_PHOTOS`` the photos lie in the
            home of all state.

    Raises:
        UserError: a variable holds what is no value of it; the message names it.
    """
    environment = os.environ if environment is None else environment
    values = {field: environment[name] for name, field in VARIABLES.items() if environment.get(name)}
    if "photos" not in values:
        values["photos"] = str(locate().review_photos)
    return parse_variables(ReviewSettings, values, VARIABLES)
