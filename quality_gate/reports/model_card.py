"""The card of a promoted model (Mitchell et al. 2019, "Model cards for model reporting"), from measured facts."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from quality_gate import __version__
from quality_gate.data.photo_set import photo_sets
from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.operating_points import OperatingPoint, operating_point
from quality_gate.evaluation.scores import Evaluation
from quality_gate.evaluation.slices import FEWEST_PHOTOS, Slice
from quality_gate.evaluation.wording import interval_text, number
from quality_gate.models.manifest import ModelManifest
from quality_gate.reports.evaluation_data import answers_to_test, slices_of_test
from quality_gate.reports.evaluation_page import METRICS
from quality_gate.reports.evaluation_plots import CANDIDATE
from quality_gate.reports.gate_rows import gate_rows
from quality_gate.reports.markdown import render_markdown
from quality_gate.reports.operation import percent
from quality_gate.reports.slice_rows import slice_table
from quality_gate.tracking import flatten
from quality_gate.training.history import Epoch, TrainingHistory

if TYPE_CHECKING:
    from quality_gate.data.snapshot import Snapshot
    from quality_gate.data.split import SplitResult
    from quality_gate.evaluation.measured import Measured
    from quality_gate.settings import TrainingSettings

# What the answers of a model depend on.
PACKAGES = ("bentoml", "mlflow", "numpy", "onnx", "onnxruntime", "pandas", "pillow", "scikit-learn", "scipy", "timm",
            "torch", "torchvision", "zenml")  # fmt: skip


@dataclass(frozen=True)
class ModelCard:
    """The facts of a model card.

    Attributes:
        version: of the model in the registry.
        run: the pipeline run.
        created: when it was promoted.
        source: of the photos.
        manifest: what the model says of itself.
        evaluation: its figures.
        gate: what the gate said of them.
        in_use: its threshold on the test photos.
        slices: by measure of the photos.
        history: passes of fine-tuning.
        settings: of the run.
        counts: photos by split and class.
        test_was_given: whether the source had a test folder of its own.
        environment: versions of what it was made with.
    """

    version: str
    run: str
    created: datetime
    source: str
    manifest: ModelManifest
    evaluation: Evaluation
    gate: GateResult
    in_use: OperatingPoint
    slices: Mapping[str, tuple[Slice, ...]]
    history: tuple[Epoch, ...]
    settings: TrainingSettings
    counts: dict[str, dict[str, int]]
    test_was_given: bool
    environment: dict[str, str]


def model_card(
    manifest: ModelManifest,
    measured: Measured,
    gate: GateResult,
    history: TrainingHistory,
    snapshot: Snapshot,
    split: SplitResult,
    settings: TrainingSettings,
    *,
    version: str,
    run: str,
    created: datetime,
) -> ModelCard:
    """Gather the facts of a model card.

    Args:
        manifest: of the calibrated model.
        measured: its figures and the answers behind them.
        gate: what the gate said of them.
        history: of fine-tuning.
        snapshot: the photos.
        split: how they were divided.
        settings: of the run.
        version: of the model in the registry.
        run: the pipeline run.
        created: when it was promoted.
    """
    test, answers = photo_sets(snapshot, split.table).test, measured.probabilities[CANDIDATE]
    routing = measured.evaluation.routing
    return ModelCard(
        version=version,
        run=run,
        created=created,
        source=snapshot.source,
        manifest=manifest,
        evaluation=measured.evaluation,
        gate=gate,
        in_use=operating_point(routing.threshold, routing, answers_to_test(test, measured, settings), in_use=True),
        slices=slices_of_test(test, answers, split.table, settings),
        history=history.epochs,
        settings=settings,
        counts=split.counts(),
        test_was_given=split.test_was_given,
        environment=environment(),
    )


def environment() -> dict[str, str]:
    """Versions of the interpreter, the system and the libraries; those that are not installed are left out."""
    found = {"Visual Quality Gate": __version__, "Python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def model_card_markdown(card: ModelCard) -> str:
    """The card of a model, in Markdown."""
    champion = card.evaluation.champion
    former = {f"Former champion {champion.version}": champion.scores} if champion and champion.scores else {}
    return render_markdown(
        "model_card.md.j2",
        card=card,
        classes=", ".join(card.manifest.classes),
        models={**former, **{f"Baseline: {name}": scores for name, scores in card.evaluation.baselines.items()}},
        metrics=METRICS,
        gate_rows=gate_rows(card.gate),
        best=TrainingHistory(card.history).best if card.history else None,
        slices=slice_table(card.slices, card.evaluation.candidate.metrics.accuracy),
        settings=flatten(card.settings.model_dump()),
        fewest=FEWEST_PHOTOS,
        share=percent,
        number=number,
        interval=interval_text,
        ends=lambda interval: f"{interval.low:.1%} to {interval.high:.1%}",
    )
