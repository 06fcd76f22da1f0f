"""The cards of a promoted version, wherever they are looked for."""

import shutil
from datetime import UTC, datetime

from zenml import save_artifact
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.measured import Measured
from quality_gate.models.manifest import ModelManifest
from quality_gate.settings import TrainingSettings
from quality_gate.tracking import ExperimentRun
from quality_gate.training.history import TrainingHistory
from steps.context import report_folder, run_name, temporary_folder


def keep_cards(
    manifest: ModelManifest,
    measured: Measured,
    gate: GateResult,
    history: TrainingHistory,
    snapshot: Snapshot,
    split: SplitResult,
    settings: TrainingSettings,
    *,
    tracker: ExperimentRun,
    version: str,
) -> None:
    """Write the model card and the data card: beside the report, with the model in MLflow, and as artifacts."""
    from quality_gate.reports.cards import write_cards
    from quality_gate.reports.data_card import data_card
    from quality_gate.reports.model_card import model_card

    run, moment, folder = run_name(), datetime.now(UTC), temporary_folder()
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
