"""How a candidate becomes champion."""

from collections.abc import Callable
from pathlib import Path

from quality_gate.errors import UserError
from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.measured import Measured
from quality_gate.ledger import LedgerEntry
from quality_gate.models.folder import ModelFolder
from steps.champions import registry
from steps.context import experiment_run, run_name


def make_champion(
    model: ModelFolder,
    measured: Measured,
    gate: GateResult,
    report: Path,
    promotion: str,
    keep_cards: Callable[..., None],
) -> LedgerEntry:
    """Register a model, write its cards and the ledger's line, and move the alias.

    Args:
        model: the candidate.
        measured: its evaluation.
        gate: what the gate said of it.
        report: the gate's page.
        promotion: what to call the promotion.
        keep_cards: is given the MLflow run as ``tracker`` and the ``version``.

    Raises:
        UserError: the page was removed since it was written.
    """
    from quality_gate.registry import ledger_entry

    if not report.is_file():
        raise UserError(f"promote: the report {report} is gone; run once with `enable_cache: false` to write it anew.")
    manifest = model.manifest
    tracker, models = experiment_run(manifest.name), registry(manifest.name)
    model_uri = tracker.log_folder(model.path, "model")
    version = models.register(tracker.run_id, model_uri, manifest.digests)
    # Before the ledger's line: what can fail must do so while the former champion is still champion.
    keep_cards(tracker=tracker, version=version)
    entry = ledger_entry(
        "promoted",
        run_name(),
        manifest,
        measured.evaluation,
        gate,
        report,
        version=version,
        model_uri=model_uri,
        promotion=promotion,
    )
    models.promote(entry)
    tracker.finish(succeeded=True)
    return entry
