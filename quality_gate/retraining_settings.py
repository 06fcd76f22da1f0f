"""Typed settings of a retraining: what it begins with, and what makes it be worth while."""

from typing import Annotated, Literal

from pydantic import Field

from quality_gate.schedules.calendar import CalendarText
from quality_gate.settings_section import Settings


class TriggerSettings(Settings):
    """What makes a model be trained anew.

    Attributes:
        on_drift_alarm: whether an alarm of the drift pipeline does.
        on_broken_promise: whether accepted answers that are more often wrong than the certificate promised do.
        new_reviewed_photos: so many photos with a label since the last training do; None for never. 500 is what a class
            or two need to move a figure of the test.
        min_macro_f1: macro F1 in production below which the model does, once its whole interval lies below; None for
            never. By default what the gate demands.
        min_class_precision: precision in production below which a class does, once its whole interval lies below; None
            for never.
        every: times of the calendar, such as ``monthly on 1 at 03:00``, that do; None for never.
        rest_days: days after an attempt in which nothing does, so that an alarm which a training has not silenced does
            not start one after the other.
    """

    on_drift_alarm: bool = True
    on_broken_promise: bool = True
    new_reviewed_photos: Annotated[int, Field(ge=1)] | None = 500
    min_macro_f1: Annotated[float, Field(gt=0, lt=1)] | None = 0.8
    min_class_precision: Annotated[float, Field(gt=0, lt=1)] | None = 0.8
    every: CalendarText | None = "monthly on 1 at 03:00"
    rest_days: Annotated[float, Field(ge=0, le=366)] = 7.0


class RetrainingSettings(Settings):
    """What the pipeline ``retraining`` does otherwise than ``training``.

    Attributes:
        start: ``pretrained`` begins anew with the published weights, so that the same photos give the same model
            whatever was champion; ``champion`` with the weights of the champion, which pays where it was fine-tuned.
        min_reviewed_photos: fewest labelled photos of the operation; with fewer there is nothing to learn from them.
        hard_negative_copies: how often a reviewed photo that the model had answered wrongly counts among the photos to
            learn from; 1 is as often as any other. It never counts more than once where a model is chosen, calibrated
            or tested.
        only_if_due: whether nothing is done without a reason among the triggers, as suits a schedule of every night.
        triggers: what makes the model be trained anew then.
    """

    start: Literal["pretrained", "champion"] = "pretrained"
    min_reviewed_photos: Annotated[int, Field(ge=1)] = 30
    hard_negative_copies: Annotated[int, Field(ge=1, le=100)] = 1
    only_if_due: bool = False
    triggers: TriggerSettings = TriggerSettings()
