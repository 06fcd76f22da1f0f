"""The first baseline: colours alone."""

from typing import Annotated

from zenml import step

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.predictions import Predictions
from quality_gate.settings import BaselineSettings


@step
def train_histogram_baseline(
    snapshot: Snapshot, split: SplitResult, settings: BaselineSettings
) -> Annotated[Predictions, "histogram_predictions"]:
    """Train logistic regression on colour histograms and let it answer the test photos."""
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.processors import available_processors
    from quality_gate.training.baselines import histogram_baseline

    photos = photo_sets(snapshot, split.table)
    return Predictions(histogram_baseline(photos, settings, workers=available_processors()))
