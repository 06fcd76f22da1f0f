"""The second baseline: a small network that starts from nothing."""

from typing import Annotated

from zenml import step

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.predictions import Predictions
from quality_gate.settings import BaselineSettings


@step
def train_scratch_baseline(
    snapshot: Snapshot, split: SplitResult, settings: BaselineSettings, seed: int
) -> Annotated[Predictions, "scratch_predictions"]:
    """Train a small network from random weights and let it answer the test photos."""
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.home import locate
    from quality_gate.processors import available_processors
    from quality_gate.progress import ConsoleReporter
    from quality_gate.training.baselines import scratch_baseline
    from quality_gate.training.threads import pin_threads
    from quality_gate.working_folder import working_folder

    pin_threads(0)
    photos = photo_sets(snapshot, split.table)
    reporter = ConsoleReporter()
    probabilities = scratch_baseline(
        photos,
        settings,
        seed=seed,
        workers=available_processors(),
        on_epoch=lambda epoch: reporter.say(f"scratch baseline: {epoch}"),
        folder=working_folder(locate().working),
    )
    return Predictions(probabilities)
