"""Make the candidate champion."""

from typing import Annotated

from zenml import get_step_context, step
from zenml.client import Client

from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.measured import Measured
from quality_gate.models.folder import ModelFolder
from steps.context import experiment_run, registry, report_folder, run_name
from steps.production_stage import set_production_stage, version_name


@step
def promote(model: ModelFolder, measured: Measured, gate: GateResult) -> Annotated[str, "champion_version"]:
    """Register the model, write the ledger's line, move the alias ``champion`` and ZenML's production stage.

    Returns:
        The champion's version in the registry.
    """
    from quality_gate.registry import ledger_entry

    manifest = model.manifest
    tracker = experiment_run(manifest.name)
    models = registry(manifest.name)
    model_uri = tracker.log_folder(model.path, "model")
    version = models.register(tracker.run_id, model_uri, manifest.digests)
    report = report_folder(manifest.name) / "evaluation.html"
    models.promote(
        ledger_entry(
            "promoted",
            run_name(),
            manifest,
            measured.evaluation,
            gate,
            report,
            version=version,
            model_uri=model_uri,
        )
    )
    model_version = get_step_context().model
    Client().update_model_version(manifest.name, model_version.id, name=version_name(version))
    set_production_stage(manifest.name, version)
    tracker.finish(succeeded=True)
    return version
