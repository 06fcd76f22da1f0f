"""Typed settings of the figures of production: what is told of how many photos, and when it is an alarm."""

from typing import Annotated

from pydantic import Field

from quality_gate.settings_section import Settings


class PerformanceSettings(Settings):
    """When there is enough to tell, and when to raise the alarm.

    Attributes:
        min_audited: labelled photos of either kind, accepted or sent to review, below which a period has no figures; of
            fewer answers all.
        min_class_photos: audited photos of a class, or answered with it, below which it has no figures. With fewer, the
            intervals hold the truth less often than they say.
        false_alarm_rate: chance that the alarm is ever raised on a model that keeps its promise, however long it is
            watched; smaller ones notice a broken promise later.
        resamples: draws behind the intervals.
        seed: of the draws.
    """

    min_audited: Annotated[int, Field(ge=1)] = 30
    min_class_photos: Annotated[int, Field(ge=1)] = 5
    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0
