"""Hold a window against the reference of the champion."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from quality_gate.drift.report import DriftReport
from quality_gate.drift.window import ObservedWindow
from quality_gate.drift_settings import DriftSettings


@step
def detect_drift(window: ObservedWindow, settings: DriftSettings) -> Annotated[DriftReport, "drift"]:
    """Compare group by group; the verdict stands in the metadata of the report and of the run.

    Args:
        window: from the prediction log.
        settings: of the run.
    """
    from quality_gate.drift.judgement import judge

    report = judge(window, settings)
    found = {
        "verdict": report.verdict,
        "alarm": report.alarm,
        "photos": report.photos,
        "drifted": [group.name for group in report.groups if group.drifted],
    }
    log_metadata(metadata=found, artifact_name="drift", infer_artifact=True)
    log_metadata(metadata={"drift": found}, run_id_name_or_prefix=get_step_context().pipeline_run.id)
    return report
