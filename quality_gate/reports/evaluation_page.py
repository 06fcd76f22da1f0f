"""The evaluation report: one page on which an engineer and a plant manager decide about a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.metrics import confusion_matrix, reliability_curve
from quality_gate.evaluation.scores import Evaluation, Scores
from quality_gate.evaluation.wording import interval_text, number
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.reports import figures
from quality_gate.reports.gate_rows import failures, gate_rows
from quality_gate.reports.rendering import photo, picture, render
from quality_gate.training.history import Epoch, TrainingHistory

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet

CANDIDATE, CHAMPION = "candidate", "champion"
THUMBNAIL = 232  # pixels; shown at half of that, sharp on dense screens
MOST_CONFUSIONS = 10

# Metric, its name on the page, whether more is better.
_METRICS = (
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


@dataclass(frozen=True)
class WorstError:
    """A photo that was answered wrong.

    Attributes:
        photo: its encoded bytes.
        path: where it came from.
        true_label: its class.
        predicted_label: the answer.
        confidence: of the answer, in 0..1.
    """

    photo: bytes
    path: str
    true_label: str
    predicted_label: str
    confidence: float


@dataclass(frozen=True)
class ReportData:
    """What the page shows besides the evaluation's figures.

    Attributes:
        labels: class number of each test photo, int64, shape (photos,).
        probabilities: by model name (``candidate``, the baselines, ``champion`` where comparable), shape
            (photos, classes).
        history: passes of fine-tuning; that of number 0 is the state before.
        worst: the most confident errors first.
    """

    labels: NDArray[np.int64]
    probabilities: dict[str, NDArray[np.float64]]
    history: tuple[Epoch, ...]
    worst: tuple[WorstError, ...]


@dataclass(frozen=True)
class Operation:
    """What the certificate means for 1,000 photos.

    Attributes:
        accepted: photos that are accepted, of 1,000.
        wrong: how many of these may be wrong, at most.
        enough: calibration photos, all answered right, that a certificate takes at the least.
        test_accepted: test photos that are accepted.
        test_wrong: of these, how many are wrong.
    """

    accepted: int
    wrong: int
    enough: int
    test_accepted: int
    test_wrong: int


@dataclass(frozen=True)
class Confusion:
    """One class taken for another: how many photos, and which share (0..1) of those of the class."""

    label: str
    answer: str
    photos: int
    share: float


@dataclass(frozen=True)
class Plot:
    """A figure as the template needs it: its data URI, and what it shows, for those who cannot see it."""

    source: str
    alt: str


def report_data(
    probabilities: dict[str, NDArray[np.float64]], test: PhotoSet, history: TrainingHistory, *, limit: int
) -> ReportData:
    """Gather what the page shows besides the evaluation, with the photos of the worst errors.

    Args:
        probabilities: by model name, shape (test photos, classes).
        test: the test photos.
        history: of fine-tuning.
        limit: most photos of errors.
    """
    answers = probabilities[CANDIDATE]
    chosen = worst_errors(test.labels, answers, limit)
    photos = test.snapshot.photos([test.image_ids[index] for index in chosen])
    worst = tuple(
        WorstError(
            photo=data,
            path=test.paths[index],
            true_label=test.classes[test.labels[index]],
            predicted_label=test.classes[answers[index].argmax()],
            confidence=float(answers[index].max()),
        )
        for index, data in zip(chosen, photos, strict=True)
    )
    return ReportData(test.labels, probabilities, history.epochs, worst)


def worst_errors(labels: NDArray[np.int64], probabilities: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """The most confident wrong answers.

    Args:
        labels: class numbers, shape (photos,).
        probabilities: shape (photos, classes).
        limit: how many at most, 0 or more.

    Returns:
        Indices of photos, the most confident first and equals in their order, shape (limit or fewer,).
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return wrong[order][:limit].astype(np.int64)


def evaluation_page(evaluation: Evaluation, gate: GateResult, data: ReportData, *, run: str, created: datetime) -> str:
    """The page: verdict, rules, meaning in operation, comparison, classes, figures, worst errors, origin.

    Args:
        evaluation: the figures.
        gate: what the gate says of them.
        data: answers, training and photos of errors.
        run: name of the run.
        created: when it was measured.

    Returns:
        Static HTML without scripts or outside files.

    Raises:
        UnreadableImage: a photo of ``data.worst`` cannot be decoded.
    """
    answers = data.probabilities[CANDIDATE]
    models = _models(evaluation)
    counts = confusion_matrix(data.labels, answers.argmax(axis=1).astype(np.int64), len(evaluation.classes))
    return render(
        "evaluation.html.j2",
        evaluation=evaluation,
        gate=gate,
        gate_rows=gate_rows(gate),
        failures=failures(gate),
        judged=sum(rule.passed is not None for rule in gate.rules),
        operation=_operation(evaluation.routing, data),
        models=models,
        metrics=_METRICS,
        best=_best(models),
        confusion=_confusion_plot(counts, evaluation.classes),
        confusions=_confusions(counts, evaluation.classes),
        wide_matrix=len(evaluation.classes) > figures.SMALL_MATRIX,
        reliability=_reliability(data, evaluation),
        risk=_risk(data, evaluation.routing),
        training=_training(data.history),
        worst=[(error, photo(error.photo, THUMBNAIL)) for error in data.worst],
        errors=int(counts.sum() - np.trace(counts)),
        share=_share,
        number=number,
        interval=interval_text,
        run=run,
        created=created,
    )


def _share(value: float) -> str:
    return f"{100 * value:.4g}%"


def _operation(routing: RoutingCertificate, data: ReportData) -> Operation:
    answers = data.probabilities[CANDIDATE]
    chosen = np.array([routing.decide(float(confidence)) == "accept" for confidence in answers.max(axis=1)], dtype=bool)
    accepted = round(1000 * routing.coverage) if routing.threshold is not None else 0
    return Operation(
        accepted=accepted,
        # Rounded up, for it is a promise; first to nine decimals, for 0.05 · 740 is a little above 37 in binary.
        wrong=math.ceil(round(routing.alpha * accepted, 9)),
        enough=math.ceil(math.log(routing.delta) / math.log1p(-routing.alpha)),
        test_accepted=int(chosen.sum()),
        test_wrong=int((answers.argmax(axis=1) != data.labels)[chosen].sum()),
    )


def _models(evaluation: Evaluation) -> dict[str, Scores]:
    champion = evaluation.champion
    comparable = {f"Champion {champion.version}": champion.scores} if champion and champion.scores else {}
    baselines = {f"Baseline: {name}": scores for name, scores in evaluation.baselines.items()}
    return {"Candidate": evaluation.candidate, **comparable, **baselines}


def _best(models: dict[str, Scores]) -> dict[str, float]:
    """The best value of each metric; NaN where it is defined for no model."""
    values = {name: [scores.metrics.scalars()[name] for scores in models.values()] for name, _, _ in _METRICS}
    return {
        name: (max if more else min)((value for value in values[name] if not math.isnan(value)), default=math.nan)
        for name, _, more in _METRICS
    }


def _confusions(counts: NDArray[np.int64], classes: tuple[str, ...]) -> list[Confusion]:
    wrong = counts * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    return [
        Confusion(classes[row], classes[column], int(wrong[row, column]), float(wrong[row, column] / counts[row].sum()))
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[row, column]
    ]


def _confusion_plot(counts: NDArray[np.int64], classes: tuple[str, ...]) -> Plot:
    pairs = [f"{pair.label} taken for {pair.answer} ({pair.photos})" for pair in _confusions(counts, classes)[:3]]
    most = f"Most frequent errors: {'; '.join(pairs)}." if pairs else "No error."
    alt = f"Confusion matrix of {counts.sum()} photos, {np.trace(counts)} of them answered right. {most}"
    return Plot(picture(figures.confusion_figure(counts, classes)), alt)


def _reliability(data: ReportData, evaluation: Evaluation) -> Plot:
    answers = data.probabilities[CANDIDATE]
    curve = reliability_curve(data.labels, answers)
    bins = zip(curve.confidence, curve.accuracy, curve.count, strict=True)
    points = "; ".join(f"{right:.0%} right at {sure:.0%} ({count} photos)" for sure, right, count in bins)
    error = number(evaluation.candidate.metrics.ece)
    alt = f"Reliability diagram, expected calibration error {error}: {points}."
    return Plot(picture(figures.reliability_figure(curve, answers.max(axis=1))), alt)


def _risk(data: ReportData, routing: RoutingCertificate) -> Plot:
    ordered = sorted(data.probabilities, key=lambda name: (name != CANDIDATE, name != CHAMPION))
    answers = {
        name: (data.probabilities[name].max(axis=1), data.probabilities[name].argmax(axis=1) == data.labels)
        for name in ordered
    }
    confidence, right = answers[CANDIDATE]
    alt = f"Risk-coverage curve: with all photos accepted {np.mean(~right):.1%} of the answers are wrong"
    accepted = np.zeros(len(right), dtype=bool) if routing.threshold is None else confidence >= routing.threshold
    if accepted.any():
        alt += f"; at the certified threshold {accepted.mean():.1%} are accepted, {np.mean(~right[accepted]):.1%} wrong"
    return Plot(picture(figures.risk_coverage_figure(answers, routing)), f"{alt}.")


def _training(history: tuple[Epoch, ...]) -> Plot | None:
    if not history:
        return None
    best = TrainingHistory(history).best
    alt = f"Training in {len(history) - 1} passes; pass {best.epoch} was kept, validation macro F1 {best.macro_f1:.3f}."
    return Plot(picture(figures.training_figure(history)), alt)
