"""Divide the photos into train, validation, calibration and test."""

from typing import Annotated

from zenml import step

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.settings import SplitSettings
from steps.context import experiment_run


@step(name="split")
def split_photos(
    name: str, snapshot: Snapshot, settings: SplitSettings, min_photos: int, seed: int
) -> Annotated[SplitResult, "split"]:
    """Divide whole duplicate groups, stratified by class; a given test folder stays the test set.

    Raises:
        UserError: a class has too few photos to be in every split.
    """
    from quality_gate.data.split import split
    from quality_gate.progress import ConsoleReporter

    result = split(snapshot.table, settings, seed, min_photos)
    for line in result.summary():
        ConsoleReporter().say(f"split: {line}")
    experiment_run(name).log_tags({"split_digest": result.digest})
    return result
