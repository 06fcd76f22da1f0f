"""Make the candidate champion."""

import shutil
from datetime import UTC, datetime
from typing import Annotated

from zenml import get_step_context, save_artifact, step
from zenml.client import Client
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.measured import Measured
from quality_gate.models.folder import ModelFolder
from quality_gate.settings import TrainingSettings
from quality_gate.training.history import TrainingHistory
from steps.context import experiment_run, registry, report_folder, run_name, temporary_folder
from steps.production_stage import set_production_stage, version_name


@step
def promote(
    model: ModelFolder,
    measured: Measured,
    gate: GateResult,
    history: TrainingHistory,
    snapshot: Snapshot,
    split: SplitResult,
    settings: TrainingSettings,
) -> Annotated[str, "champion_version"]:
    """Register the model, write its cards and the ledger's line, move the alias ``champion`` and ZenML's stage.

    Returns:
        The champion's version in the registry.
    """
    from quality_gate.registry import ledger_entry
    from quality_gate.reports.cards import write_cards
    from quality_gate.reports.data_card import data_card
    from quality_gate.reports.model_card import model_card

    manifest, run, moment = model.manifest, run_name(), datetime.now(UTC)
    tracker = experiment_run(manifest.name)
    models = registry(manifest.name)
    model_uri = tracker.log_folder(model.path, "model")
    version = models.register(tracker.run_id, model_uri, manifest.digests)
    # Before the ledger's line: what can fail must do so while the former champion is still champion.
    folder = temporary_folder()
    cards = write_cards(
        model_card(
            manifest, measured, gate, history, snapshot, split, settings, version=version, run=run, created=moment
        ),
        data_card(snapshot, split, name=manifest.name, version=version, run=run),
        folder,
    )
    tracker.log_folder(folder, "model")
    shutil.copytree(folder, report_folder(manifest.name), dirs_exist_ok=True)
    for name, page in cards.items():
        save_artifact(HTMLString(page), name=name)
    report = report_folder(manifest.name) / "evaluation.html"
    models.promote(
        ledger_entry("promoted", run, manifest, measured.evaluation, gate, report, version=version, model_uri=model_uri)
    )
    model_version = get_step_context().model
    Client().update_model_version(manifest.name, model_version.id, name=version_name(version))
    set_production_stage(manifest.name, version)
    tracker.finish(succeeded=True)
    return version
