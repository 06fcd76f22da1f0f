"""Make the confidence honest, and certify from which confidence on an answer is accepted."""

from typing import Annotated

from zenml import step

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.models.folder import ModelFolder
from quality_gate.settings import CalibrationSettings
from steps.context import experiment_run, temporary_folder


@step
def calibrate(
    model: ModelFolder, snapshot: Snapshot, split: SplitResult, settings: CalibrationSettings
) -> Annotated[ModelFolder, "calibrated_model"]:
    """Fit the temperature on validation and the routing certificate on the calibration split."""
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.evaluation.calibrated import calibrate_manifest
    from quality_gate.evaluation.watched import watched_sentence
    from quality_gate.inference import OnnxClassifier
    from quality_gate.progress import ConsoleReporter

    reporter = ConsoleReporter()
    classifier = OnnxClassifier(model.path)
    manifest = calibrate_manifest(classifier, photo_sets(snapshot, split.table), settings, reporter)
    routing = manifest.routing
    assert routing is not None
    if routing.threshold is None:
        reporter.say(
            f"calibrate: no confidence could be certified for at most {routing.alpha:.1%} wrong; all go to review"
        )
    else:
        reporter.say(
            f"calibrate: temperature {manifest.temperature:.3f}; accepted from confidence {routing.threshold:.3f}, "
            f"coverage {routing.coverage:.1%}, at most {routing.risk_upper_bound:.1%} wrong"
        )
    watched = manifest.watched
    if watched is not None:
        reporter.say(f"calibrate: {watched_sentence(watched, routing.delta)}")
    experiment_run(manifest.name).log_metrics(
        {"temperature": manifest.temperature, "threshold": routing.threshold, "coverage": routing.coverage}
        | ({"watched_threshold": watched.threshold} if watched else {})
    )
    return model.copy_with(manifest, temporary_folder())
