"""Make the model that passed ready to be served."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.measured import Measured
from quality_gate.models.folder import ModelFolder
from quality_gate.settings import CalibrationSettings, ServingSettings
from steps.context import experiment_run, report_folder, temporary_folder


@step
def prepare_serving(
    model: ModelFolder,
    measured: Measured,
    snapshot: Snapshot,
    split: SplitResult,
    settings: ServingSettings,
    calibration: CalibrationSettings,
    seed: int,
    threads: int,
) -> tuple[Annotated[ModelFolder, "served_model"], Annotated[HTMLString, "serving_report"]]:
    """Optimise the network, and take it in 8-bit integers where these are faster and as good.

    Args:
        model: the calibrated candidate.
        measured: its evaluation.
        snapshot: the photos.
        split: how they are divided.
        settings: what is demanded of 8-bit integers.
        calibration: the promise of the certificate.
        seed: of a training for 8 bits.
        threads: of torch in that; 0 takes all.

    Returns:
        The model with the network that answers, and the page that compares the precisions.
    """
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.evaluation.served_model import make_ready_to_serve
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.serving_page import serving_page, serving_sentence
    from quality_gate.training.threads import pin_threads

    pin_threads(threads)
    reporter, name = ConsoleReporter(), model.manifest.name
    served = make_ready_to_serve(
        model,
        photo_sets(snapshot, split.table),
        measured.probabilities["candidate"],
        settings,
        calibration,
        temporary_folder(),
        reporter,
        seed=seed,
    )
    reporter.say(f"prepare_serving: {serving_sentence(served)}")
    page = serving_page(served, name=name)
    (report_folder(name) / "serving.html").write_text(page, encoding="utf-8")
    experiment_run(name).log_tags({"precision": served.model.manifest.precision})
    return served.model, HTMLString(page)
