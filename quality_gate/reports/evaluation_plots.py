"""The figures of the evaluation page, each with the words that stand in for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metrics import reliability_curve
from quality_gate.evaluation.scores import Evaluation
from quality_gate.evaluation.watched import recall_curve
from quality_gate.evaluation.wording import number
from quality_gate.reports import class_figures, figures
from quality_gate.reports.rendering import picture
from quality_gate.reports.watched_chart import watched_figure
from quality_gate.training.history import Epoch, TrainingHistory

CANDIDATE, CHAMPION = "candidate", "champion"
MOST_CONFUSIONS = 10
ROC_CAPTION = (
    "Whether a class can be told from the rest at all: the nearer to the upper left, the better; on the dashed line it "
    "is guessed. The number is the area below; the worst classes are named."
)
PRECISION_CAPTION = (
    "What finding more photos of a class costs: the further right, the more of them are found, and the lower, the more "
    "answers with it are wrong. The number is the average precision; the worst classes are named."
)
CALIBRATION_CAPTION = (
    "Whether the probability of a class can be believed: on the dashed line half of the photos at 50% are of it. The "
    "number is the calibration error; the worst classes are named."
)
CONFIDENCE_CAPTION = (
    "Whether the confidence tells right answers from wrong ones: the less the two overlap, the more can be accepted "
    "unseen."
)


@dataclass(frozen=True)
class Confusion:
    """One class taken for another: how many photos, and which share (0..1) of those of the class."""

    label: str
    answer: str
    photos: int
    share: float


@dataclass(frozen=True)
class Captioned:
    """A plot with what it says."""

    plot: Plot
    caption: str


@dataclass(frozen=True)
class Plot:
    """A figure as the template needs it: its data URI, and what it shows, for those who cannot see it."""

    source: str
    alt: str


def confusions(counts: NDArray[np.int64], classes: tuple[str, ...]) -> list[Confusion]:
    """The most frequent errors of a matrix of true classes (rows) and answers, shape (classes, classes)."""
    wrong = counts * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    return [
        Confusion(classes[row], classes[column], int(wrong[row, column]), float(wrong[row, column] / counts[row].sum()))
        for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[row, column]
    ]


def confusion_plot(counts: NDArray[np.int64], classes: tuple[str, ...]) -> Plot:
    """Which classes are mistaken for which."""
    pairs = [f"{pair.label} taken for {pair.answer} ({pair.photos})" for pair in confusions(counts, classes)[:3]]
    most = f"Most frequent errors: {'; '.join(pairs)}." if pairs else "No error."
    alt = f"Confusion matrix of {counts.sum()} photos, {np.trace(counts)} of them answered right. {most}"
    return Plot(picture(figures.confusion_figure(counts, classes)), alt)


def reliability_plot(labels: NDArray[np.int64], answers: NDArray[np.float64], evaluation: Evaluation) -> Plot:
    """Whether the confidence of answers, shape (photos, classes), can be believed."""
    curve = reliability_curve(labels, answers)
    bins = zip(curve.confidence, curve.accuracy, curve.count, strict=True)
    points = "; ".join(f"{right:.0%} right at {sure:.0%} ({count} photos)" for sure, right, count in bins)
    error = number(evaluation.candidate.metrics.ece)
    alt = f"Reliability diagram, expected calibration error {error}: {points}."
    return Plot(picture(figures.reliability_figure(curve, answers.max(axis=1))), alt)


def risk_plot(labels: NDArray[np.int64], probabilities: dict[str, NDArray[np.float64]], evaluation: Evaluation) -> Plot:
    """What accepting more photos costs, for the answers of every model."""
    ordered = sorted(probabilities, key=lambda name: (name != CANDIDATE, name != CHAMPION))
    answers = {
        name: (probabilities[name].max(axis=1), probabilities[name].argmax(axis=1) == labels) for name in ordered
    }
    numbers, sure = evaluation.answer(probabilities[CANDIDATE])
    answers[CANDIDATE], routing = (sure, numbers == labels), evaluation.routing
    confidence, right = answers[CANDIDATE]
    alt = f"Risk-coverage curve: with all photos accepted {np.mean(~right):.1%} of the answers are wrong"
    accepted = np.zeros(len(right), dtype=bool) if routing.threshold is None else confidence >= routing.threshold
    if accepted.any():
        alt += f"; at the certified threshold {accepted.mean():.1%} are accepted, {np.mean(~right[accepted]):.1%} wrong"
    return Plot(picture(figures.risk_coverage_figure(answers, routing)), f"{alt}.")


def class_plots(labels: NDArray[np.int64], answers: NDArray[np.float64], evaluation: Evaluation) -> list[Captioned]:
    """How well each class is told from the rest by answers, shape (photos, classes), and how sure right ones are."""
    classes = evaluation.classes
    errors = [each.ece for each in evaluation.candidate.metrics.per_class.values()]
    numbers, confidence = evaluation.answer(answers)
    correct = numbers == labels
    roc = class_figures.roc_curves(labels, answers, classes)
    if not roc:
        return []
    precision = class_figures.precision_recall_curves(labels, answers, classes)
    calibration = class_figures.calibration_curves(labels, answers, classes, errors)
    sure = f"{np.median(confidence[correct]):.2f}" if correct.any() else "undefined"
    unsure = f"{np.median(confidence[~correct]):.2f}" if not correct.all() else "undefined"
    return [
        _of_curves(roc, "roc", "ROC curves, one class against the rest; area", ROC_CAPTION),
        _of_curves(precision, "precision_recall", "Precision against recall; average precision", PRECISION_CAPTION),
        _of_curves(calibration, "calibration", "Calibration of each class; error", CALIBRATION_CAPTION),
        Captioned(
            Plot(
                picture(class_figures.confidence_figure(confidence, correct)),
                f"Confidence of {correct.sum()} right answers, median {sure}, and of {np.sum(~correct)} wrong ones, "
                f"median {unsure}.",
            ),
            CONFIDENCE_CAPTION,
        ),
    ]


def _of_curves(
    curves: list[class_figures.ClassCurve],
    kind: Literal["roc", "precision_recall", "calibration"],
    what: str,
    caption: str,
) -> Captioned:
    told = "; ".join(f"{curve.label} {curve.summary:.3f}" for curve in class_figures.named(curves))
    more = len(curves) - class_figures.MOST_NAMED
    alt = f"{what}: {told}{f'; {more} classes fare better' if more > 0 else ''}."
    return Captioned(Plot(picture(class_figures.curves_figure(curves, kind)), alt), caption)


def watched_plot(labels: NDArray[np.int64], answers: NDArray[np.float64], evaluation: Evaluation) -> Plot | None:
    """What finding the watched class costs; None where no class is, or where there are only photos of one kind."""
    watched = evaluation.watched
    if watched is None or not 0 < watched.photos < len(labels):
        return None
    curve = recall_curve(labels, answers, evaluation.classes.index(watched.chosen.label))
    alt = (
        f"Recall of {watched.chosen.label} against the share of other photos answered with it, for every threshold; at "
        f"the threshold {number(watched.chosen.threshold)} {watched.recall:.1%} are found at "
        f"{watched.false_alarm_rate:.1%} false alarms."
    )
    return Plot(picture(watched_figure(*curve, watched)), alt)


def training_plot(history: tuple[Epoch, ...]) -> Plot | None:
    """How training went; None where the backbone stayed frozen."""
    if not history:
        return None
    best = TrainingHistory(history).best
    alt = f"Training in {len(history) - 1} passes; pass {best.epoch} was kept, validation macro F1 {best.macro_f1:.3f}."
    return Plot(picture(figures.training_figure(history)), alt)
