"""Measure the candidate beside its baselines and the champion, on photos it has never seen."""

from typing import Annotated

from zenml import save_artifact, step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.measured import Measured
from quality_gate.evaluation.predictions import Predictions
from quality_gate.evaluation.scores import CrossValidation
from quality_gate.models.folder import ModelFolder
from quality_gate.settings import EvaluationSettings
from steps.champions import registry
from steps.context import experiment_run, report_folder


@step
def evaluate(
    model: ModelFolder,
    histogram: Predictions,
    scratch: Predictions,
    snapshot: Snapshot,
    split: SplitResult,
    settings: EvaluationSettings,
    seed: int,
    rival: str,
    cross_validation: CrossValidation | None = None,
) -> Annotated[Measured, "evaluation"]:
    """Compute every metric with its interval, compare with the rival on the same photos, time the exported model.

    Also writes a page of sample predictions.
    """
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.evaluation.candidate import measure
    from quality_gate.evaluation.metrics import confusion_matrix
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.figures import confusion_figure
    from quality_gate.reports.samples_page import samples_page

    name = model.manifest.name
    photos = photo_sets(snapshot, split.table)
    test = photos.test
    with registry(name).promoted_folder(rival) as champion:
        measured = measure(
            model,
            {"histogram": histogram.probabilities, "scratch": scratch.probabilities},
            champion,
            test,
            rolling_test=photos.rolling_test,
            data_digest=snapshot.digest,
            resamples=settings.bootstrap_resamples,
            cross_validation=cross_validation,
            seed=seed,
            reporter=ConsoleReporter(),
        )
    page = samples_page(test, measured.probabilities["candidate"], measured.evaluation, seed=seed)
    (report_folder(name) / "samples.html").write_text(page, encoding="utf-8")
    save_artifact(HTMLString(page), name="sample_predictions")
    metrics = measured.evaluation.candidate.metrics.scalars()
    run = experiment_run(name)
    run.log_metrics({f"test_{metric}": value for metric, value in metrics.items()})
    run.log_metrics(measured.evaluation.candidate.metrics.of_classes("test_"))
    answers = measured.evaluation.answer(measured.probabilities["candidate"])[0]
    counts = confusion_matrix(test.labels, answers, len(test.classes))
    run.log_figure(confusion_figure(counts, test.classes), "confusion.png")
    return measured
