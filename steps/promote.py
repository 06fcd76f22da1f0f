"""Make the candidate champion."""

from functools import partial
from pathlib import Path
from typing import Annotated

from zenml import Model, get_step_context, link_artifact_to_model, step

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.measured import Measured
from quality_gate.models.folder import ModelFolder
from quality_gate.settings import TrainingSettings
from quality_gate.standing import is_champion
from quality_gate.training.history import TrainingHistory
from steps.cards import keep_cards
from steps.champions import registry
from steps.production_stage import set_production_stage, version_name
from steps.promotion import make_champion


@step
def promote(
    model: ModelFolder,
    measured: Measured,
    gate: GateResult,
    history: TrainingHistory,
    snapshot: Snapshot,
    split: SplitResult,
    settings: TrainingSettings,
    report: str,
    promotion: str,
) -> Annotated[str, "champion_version"]:
    """Register the model, write its cards and the ledger's line, move the alias ``champion`` and ZenML's stage.

    A model that is champion already keeps its version; alias and stage are set again, in case they were not.

    Args:
        model: the candidate.
        measured: its evaluation.
        gate: what the gate said of it.
        history: of its training.
        snapshot: the photos.
        split: how they were divided.
        settings: of the run.
        report: where the gate's page lies.
        promotion: what to call this promotion.

    Returns:
        The champion's version in the registry.

    Raises:
        UserError: the report was removed since the gate wrote it.
    """
    manifest = model.manifest
    models = registry(manifest.name)
    champion = models.ledger.champion()
    if champion is None or not is_champion(champion, manifest.answers_digest):
        cards = partial(keep_cards, manifest, measured, gate, history, snapshot, split, settings)
        champion = make_champion(model, measured, gate, Path(report), promotion, cards)
    else:
        models.point_alias_at_champion()
    assert champion.version is not None
    (kept,) = get_step_context().inputs["model"]
    link_artifact_to_model(kept, Model(name=manifest.name, version=version_name(champion.version)))
    set_production_stage(manifest.name, champion.version)
    return champion.version
