"""Typed settings of a batch: what stands under ``parameters:`` in a run configuration of the batch prediction."""

from typing import Annotated

from pydantic import AfterValidator, Field

from quality_gate.data_settings import without_credentials
from quality_gate.gate_name import GateName
from quality_gate.settings_section import Settings

INBOX = "inbox"
BATCH_DEFAULTS = "pipelines/batch_prediction.yaml"


class BatchSettings(Settings):
    """Which photos are answered, by whom, and how many may be bad.

    Attributes:
        name: the gate whose champion answers.
        source: folder of photos, the URL of one (``s3://bucket/folder``, or any protocol that fsspec knows, with
            credentials from the environment), or ``inbox`` for the folder of that name in the home of all state.
        workers: threads that decode and answer; 0 means one a processor.
        max_unreadable_share: largest share of files that may be no usable photos; a run with more of them fails, after
            it has done all its work.
        settle_seconds: files of the inbox that changed in the last so many seconds may still be on their way, and are
            left to the next run.
        review_photos: photos that the page shows of those that go to review.
    """

    name: GateName = "visual_quality_gate"
    source: Annotated[str, Field(min_length=1), AfterValidator(without_credentials)] = INBOX
    workers: Annotated[int, Field(ge=0)] = 0
    max_unreadable_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    settle_seconds: Annotated[float, Field(ge=0, le=3600)] = 10.0
    review_photos: Annotated[int, Field(ge=0, le=200)] = 24
