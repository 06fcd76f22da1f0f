"""The gate: what the candidate has earned, in a table; a failing rule fails the run."""

from datetime import UTC, datetime
from typing import Annotated

from zenml import save_artifact, step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.errors import UserError
from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.measured import Measured
from quality_gate.models.folder import ModelFolder
from quality_gate.settings import TrainingSettings
from quality_gate.training.history import TrainingHistory
from steps.champions import registry
from steps.context import experiment_run, report_folder, run_name


@step
def gate(
    model: ModelFolder,
    measured: Measured,
    history: TrainingHistory,
    snapshot: Snapshot,
    split: SplitResult,
    settings: TrainingSettings,
) -> tuple[Annotated[GateResult, "gate_result"], Annotated[str, "report"]]:
    """Judge the candidate by the rules of the settings and write the report page, passed or not.

    Returns:
        What it says, and where the page lies.

    Raises:
        UserError: a rule failed; the message says which, and by how much. The champion stays.
    """
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.evaluation.gate import apply_gate
    from quality_gate.progress import ConsoleReporter
    from quality_gate.registry import ledger_entry
    from quality_gate.reports.evaluation_data import report_data
    from quality_gate.reports.evaluation_page import evaluation_page

    name = settings.name
    result = apply_gate(measured.evaluation, settings.gate)
    reporter = ConsoleReporter()
    for warning in result.warnings:
        reporter.say(f"gate: warning: {warning}.")
    photos = photo_sets(snapshot, split.table)
    data = report_data(model, measured, photos, split.table, history, settings, reporter)
    page = evaluation_page(measured.evaluation, result, data, run=run_name(), created=datetime.now(UTC))
    report = report_folder(name) / "evaluation.html"
    report.write_text(page, encoding="utf-8")
    save_artifact(HTMLString(page), name="evaluation_report")
    tracker = experiment_run(name)
    tracker.log_folder(report.parent, "report")
    if not result.passed:
        refused = ledger_entry("refused", run_name(), model.manifest, measured.evaluation, result, report)
        registry(name).ledger.append(refused)
        raise UserError(f"gate: {result.sentence()}. The champion stays; the report is {report}.")
    return result, str(report)
