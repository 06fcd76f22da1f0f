"""Look for settings of the candidate that are better on the validation photos."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.settings import TrainingSettings
from quality_gate.tuning.result import TuningResult
from steps.context import experiment_run, report_folder

BEST_FILE = "best.yaml"


@step
def tune(
    snapshot: Snapshot, split: SplitResult, settings: TrainingSettings, weights: str
) -> tuple[Annotated[TuningResult, "tuning_result"], Annotated[HTMLString, "tuning_report"]]:
    """Train with one set of settings after the other; write ``tuning.html``, and ``best.yaml`` to train with.

    Args:
        snapshot: the photos.
        split: how they are divided.
        settings: of the run.
        weights: digest of the pretrained weights that the settings name; '' where they name none.

    Raises:
        UserError: the recipe cannot be trained with, or the time was not enough for it.
    """
    from quality_gate.code_digest import code_digest
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.home import locate
    from quality_gate.processors import available_processors
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.tuning_page import tuning_page
    from quality_gate.training.threads import pin_threads
    from quality_gate.tuning.result import configuration
    from quality_gate.tuning.tune import tune as search

    pin_threads(settings.transfer.threads)
    photos = photo_sets(snapshot, split.table)
    run = experiment_run(settings.name)
    result = search(
        photos.train,
        photos.validation,
        settings,
        digests={"data": snapshot.digest, "split": split.digest, "code": code_digest(), "weights": weights},
        home=locate(),
        workers=available_processors(),
        run=run,
        reporter=ConsoleReporter(),
    )
    folder = report_folder(settings.name)
    (folder / BEST_FILE).write_text(configuration(settings, result.best.settings), encoding="utf-8")
    command = f"zenml pipeline run training --config {folder / BEST_FILE}"
    page = tuning_page(result, name=settings.name, command=command)
    (folder / "tuning.html").write_text(page, encoding="utf-8")
    run.log_metrics({"best": result.best.measured, "recipe": result.recipe.measured, "trials": len(result.trials)})
    return result, HTMLString(page)
