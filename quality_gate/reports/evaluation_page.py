"""The evaluation report: one page on which an engineer and a plant manager decide about a model."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.metrics import confusion_matrix
from quality_gate.evaluation.scores import Evaluation, Scores
from quality_gate.evaluation.slices import FEWEST_PHOTOS
from quality_gate.evaluation.wording import interval_text, number
from quality_gate.explanation.notes import NOTES
from quality_gate.reports import figures
from quality_gate.reports.error_photos import errors_by_class
from quality_gate.reports.evaluation_data import ReportData
from quality_gate.reports.evaluation_plots import (
    CANDIDATE,
    class_plots,
    confusion_plot,
    confusions,
    reliability_plot,
    risk_plot,
    training_plot,
    watched_plot,
)
from quality_gate.reports.gate_rows import failures, gate_rows
from quality_gate.reports.key_findings import key_findings
from quality_gate.reports.operation import operation, percent, point_columns
from quality_gate.reports.rendering import render
from quality_gate.reports.slice_rows import slice_table

# Metric, its name for people, whether more is better.
METRICS = (
    ("macro_f1", "Macro F1", True),
    ("accuracy", "Accuracy", True),
    ("macro_precision", "Macro precision", True),
    ("macro_recall", "Macro recall", True),
    ("brier", "Brier score, all classes", False),
    ("brier_top1", "Brier score, top answer", False),
    ("ece", "Expected calibration error", False),
    ("log_loss", "Log loss", False),
    ("roc_auc_ovr", "ROC AUC, one against the rest", True),
    ("pr_auc_ovr", "PR AUC, one against the rest", True),
)

# Figure of a class beside precision, recall and F1, its name for people.
CLASS_FIGURES = (("roc_auc", "ROC AUC"), ("pr_auc", "PR AUC"), ("brier", "Brier"), ("ece", "Calibration error"))
CROSSED_FIGURES = (("macro_f1", "Macro F1"), ("brier", "Brier score"), ("ece", "Expected calibration error"))
# Figure of the watched class, its name for people, what it says.
WATCHED_FIGURES = (
    ("recall", "Recall", "of its photos, found"),
    ("false_alarm_rate", "False alarms", "of the other photos, answered with it"),
    ("precision", "Precision", "of the answers with it, right"),
    ("f1", "F1", "harmonic mean of precision and recall"),
)


def evaluation_page(evaluation: Evaluation, gate: GateResult, data: ReportData, *, run: str, created: datetime) -> str:
    """The page: verdict, rules, meaning in operation, comparison, classes, slices, figures, worst errors, origin.

    Args:
        evaluation: the figures.
        gate: what the gate says of them.
        data: answers, training, slices, operating points and worst errors.
        run: name of the run.
        created: when it was measured.

    Returns:
        Static HTML without scripts or outside files.

    Raises:
        UnreadableImage: a photo of ``data.worst`` cannot be decoded.
    """
    answers = data.probabilities[CANDIDATE]
    models = _models(evaluation)
    answered = evaluation.answer(answers)[0]
    counts = confusion_matrix(data.labels, answered, len(evaluation.classes))
    watched = evaluation.watched
    return render(
        "evaluation.html.j2",
        evaluation=evaluation,
        gate=gate,
        gate_rows=gate_rows(gate),
        failures=failures(gate),
        judged=sum(rule.passed is not None for rule in gate.rules),
        # As the recall and precision of a class, which they explain.
        findings=key_findings(evaluation, data.known, data.labels, answers.argmax(axis=1), data.slices),
        operation=operation(evaluation.routing),
        in_use=next(point for point in data.points if point.in_use),
        columns=point_columns(data.points),
        models=models,
        metrics=METRICS,
        best=_best(models),
        slices=slice_table(data.slices, evaluation.candidate.metrics.accuracy),
        fewest=FEWEST_PHOTOS,
        confusion=confusion_plot(counts, evaluation.classes),
        confusions=confusions(counts, evaluation.classes),
        wide_matrix=len(evaluation.classes) > figures.SMALL_MATRIX,
        class_figures=CLASS_FIGURES,
        class_plots=class_plots(data.labels, answers, evaluation),
        scrolled_matrix=len(evaluation.classes) > figures.FITTING_MATRIX,
        reliability=reliability_plot(data.labels, answers, evaluation),
        risk=risk_plot(data.labels, data.probabilities, evaluation),
        training=training_plot(data.history),
        crossed=evaluation.cross_validation,
        crossed_figures=CROSSED_FIGURES,
        watched_figures=WATCHED_FIGURES,
        watched=watched_plot(data.labels, answers, evaluation),
        errors_by_class=errors_by_class(
            data.worst, counts, evaluation.classes, watched.chosen.label if watched else None
        ),
        shown_errors=len(data.worst),
        maps=NOTES[data.method] if data.method and all(error.evidence for error in data.worst) else None,
        errors=int(counts.sum() - np.trace(counts)),
        share=percent,
        number=number,
        interval=interval_text,
        run=run,
        created=created,
    )


def _models(evaluation: Evaluation) -> dict[str, Scores]:
    champion = evaluation.champion
    comparable = {f"Champion {champion.version}": champion.scores} if champion and champion.scores else {}
    baselines = {f"Baseline: {name}": scores for name, scores in evaluation.baselines.items()}
    members = {
        f"Member {place}: {member.architecture}": member.scores
        for place, member in enumerate(evaluation.members, start=1)
    }
    return {"Candidate": evaluation.candidate, **members, **comparable, **baselines}


def _best(models: dict[str, Scores]) -> dict[str, float]:
    """The best value of each metric; NaN where it is defined for no model."""
    values = {name: [scores.metrics.scalars()[name] for scores in models.values()] for name, _, _ in METRICS}
    return {
        name: (max if more else min)((value for value in values[name] if not math.isnan(value)), default=math.nan)
        for name, _, more in METRICS
    }
