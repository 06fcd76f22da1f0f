"""Typed settings of a drift run: what stands under ``parameters:`` in a run configuration of the drift pipeline."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from quality_gate.gate_name import GateName
from quality_gate.settings_section import Settings

DRIFT_DEFAULTS = "pipelines/drift.yaml"
# Of a window are tested: light, sharpness, size, confidence, classes, features.
TESTED_GROUPS = 6


def _time(text: str) -> str:
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise ValueError("expected a time with its zone, such as '2026-03-04T06:00:00+00:00'")
    return text


class DriftSettings(Settings):
    """Which photos are held against the reference of the champion, and when that rings.

    Attributes:
        name: the gate whose champion answered them.
        hours: photos of the last so many hours; None looks at all there are.
        photos: the newest so many of them; None takes all.
        until: end of the window, a time in ISO 8601 with its zone; None means now.
        min_photos: with fewer it is said that there are not enough, and nothing else.
        max_photos: of more so many are drawn: they tell as much, for the reference has no more.
        false_alarm_rate: share of windows without drift that ring all the same, at most; of the whole window.
        resamples: behind a p value, at most; with more the pipeline takes longer, with fewer it hears less.
        seed: of every random choice.
        suite: of Great Expectations, in ``expectations/``; its failures are reported and never stop a run.
    """

    name: GateName = "visual_quality_gate"
    hours: Annotated[float, Field(gt=0, le=1_000_000)] | None = 24.0
    photos: Annotated[int, Field(ge=1)] | None = None
    until: Annotated[str, AfterValidator(_time)] | None = None
    min_photos: Annotated[int, Field(ge=30)] = 100
    max_photos: Annotated[int, Field(ge=100, le=100_000)] = 5_000
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    resamples: Annotated[int, Field(ge=99, le=1_000_000)] = 9_999
    seed: Annotated[int, Field(ge=0)] = 0
    suite: Annotated[str, Field(min_length=1)] = "prediction_window"

    @field_validator("max_photos")
    @classmethod
    def _is_enough(cls, most: int, info: ValidationInfo) -> int:
        if most < info.data.get("min_photos", 0):
            raise ValueError(f"expected min_photos ({info.data['min_photos']}) or more")
        return most

    @field_validator("resamples")
    @classmethod
    def _can_ring(cls, resamples: int, info: ValidationInfo) -> int:
        rate = info.data.get("false_alarm_rate")
        if rate is not None and resamples + 1 < TESTED_GROUPS / rate:
            needed = int(TESTED_GROUPS / rate)
            raise ValueError(f"at a false_alarm_rate of {rate:g} nothing could ever ring; expected {needed:,} or more")
        return resamples
