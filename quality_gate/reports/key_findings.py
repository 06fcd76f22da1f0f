"""The key findings of an evaluation as a table: what was found in each respect, and what that means in operation.

All of it is measured: each finding is a figure of the run, and each meaning follows from it by a rule that stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metrics import confusion_matrix
from quality_gate.evaluation.scores import Evaluation
from quality_gate.evaluation.slices import Slice
from quality_gate.evaluation.wording import interval_text, number
from quality_gate.reports.operation import PHOTOS, operation

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.models.manifest import ModelManifest
    from quality_gate.settings import TrainingSettings

# Most common by rarest class up to which classes are called even.
_EVEN = 1.5
_BALANCED_BY = {
    "sampler": "in fine-tuning every class is drawn equally often",
    "loss": "in fine-tuning rare classes weigh more",
    "both": "in fine-tuning every class is drawn equally often, and rare ones weigh more",
    "none": "in fine-tuning nothing evens this out",
}


@dataclass(frozen=True)
class KeyFinding:
    """One row of the table, in words."""

    dimension: str
    finding: str
    meaning: str


@dataclass(frozen=True)
class Background:
    """What the findings need beside the figures of the evaluation.

    Attributes:
        files: of the source.
        unreadable: of these.
        left_out: readable files that are not used.
        learnt: training photos by class.
        architecture: of the model.
        wanted: network that the settings name first; ``architecture`` where that one was taken.
        balanced_by: ``transfer.class_balance``.
        min_precision: ``retraining.triggers.min_class_precision``.
    """

    files: int
    unreadable: int
    left_out: int
    learnt: Mapping[str, int]
    architecture: str
    wanted: str
    balanced_by: str
    min_precision: float | None


def background(manifest: ModelManifest, table: pd.DataFrame, settings: TrainingSettings) -> Background:
    """Gather it.

    Args:
        manifest: of the model.
        table: the image table after the split.
        settings: of the run.
    """
    readable = table["is_readable"].astype(bool)
    learnt = table.loc[table["split"] == "train", "label"].value_counts()
    first = manifest.members[0].architecture if manifest.members else manifest.architecture
    wanted = settings.transfer.model
    return Background(
        files=len(table),
        unreadable=int((~readable).sum()),
        left_out=int((readable & (table["split"] == "")).sum()),
        learnt={name: int(learnt.get(name, 0)) for name in manifest.classes},
        architecture=manifest.architecture,
        wanted=wanted if wanted != first else manifest.architecture,
        balanced_by=settings.transfer.class_balance,
        min_precision=settings.retraining.triggers.min_class_precision,
    )


def key_findings(
    evaluation: Evaluation,
    known: Background,
    labels: NDArray[np.int64],
    answers: NDArray[np.int64],
    slices: Mapping[str, Sequence[Slice]],
) -> tuple[KeyFinding, ...]:
    """The findings, from the data to the operation.

    Args:
        evaluation: the figures.
        known: of data and settings.
        labels: class number of each test photo, shape (photos,).
        answers: most probable class of each test photo, shape (photos,).
        slices: of the test photos, by measure.
    """
    counts = confusion_matrix(labels, answers, len(evaluation.classes))
    return tuple(
        chain(
            _data(known),
            _model(evaluation, known),
            _members(evaluation),
            _quality(evaluation),
            _weakest(evaluation, counts, known),
            _confidence(evaluation),
            _robustness(evaluation, slices),
        )
    )


def _data(known: Background) -> Iterator[KeyFinding]:
    lost = f"{known.unreadable:,} of {known.files:,} files cannot be read, {known.left_out:,} more are left out"
    meaning = "every file is used" if not known.unreadable + known.left_out else "split.html lists each with its reason"
    yield KeyFinding("Data quality", lost, meaning)
    most, least = max(known.learnt, key=known.learnt.__getitem__), min(known.learnt, key=known.learnt.__getitem__)
    high, low = known.learnt[most], known.learnt[least]
    span = f"{high:,}" if low == high else f"{low:,} ({least}) to {high:,} ({most})"
    found = f"{span} training photos a class"
    even = low > 0 and high / low <= _EVEN
    evened = f"the head weighs all classes equally; {_BALANCED_BY[known.balanced_by]}"
    yield KeyFinding("Class balance", found, "even enough to need nothing" if even else evened)


def _model(evaluation: Evaluation, known: Background) -> Iterator[KeyFinding]:
    own = evaluation.candidate.metrics.macro_f1
    over = ", ".join(
        f"{number(own - scores.metrics.macro_f1, sign=True)} over {name}"
        for name, scores in evaluation.baselines.items()
    )
    fallback = f" (in place of {known.wanted})" if known.wanted != known.architecture else ""
    found = f"{known.architecture}{fallback}: macro F1 {over}" if over else f"{known.architecture}{fallback}"
    cost = f"{evaluation.model_mb:.1f} MB, {evaluation.latency_ms:.0f} ms of a thread a photo"
    yield KeyFinding("Model", found, f"what it costs: {cost}")


def _members(evaluation: Evaluation) -> Iterator[KeyFinding]:
    if not evaluation.members:
        return
    best = max(evaluation.members, key=lambda member: member.scores.metrics.macro_f1)
    found = (
        f"macro F1 {number(best.gain.estimate, sign=True)} ({interval_text(best.gain.interval)}) over "
        f"{best.architecture} alone"
    )
    paid = best.gain.interval.low > 0
    yield KeyFinding("Ensemble", found, "it pays" if paid else "a gain is not shown: one network would cost less")


def _quality(evaluation: Evaluation) -> Iterator[KeyFinding]:
    candidate = evaluation.candidate
    found = f"{number(candidate.metrics.macro_f1)} ({interval_text(candidate.intervals['macro_f1'])})"
    right = f"{candidate.metrics.accuracy:.1%} of photos like the test photos are answered right"
    yield KeyFinding("Test macro F1", found, right)


def _weakest(evaluation: Evaluation, counts: NDArray[np.int64], known: Background) -> Iterator[KeyFinding]:
    figures = evaluation.candidate.metrics.per_class
    missed = min(figures, key=lambda name: figures[name].recall)
    place = evaluation.classes.index(missed)
    elsewhere = counts[place] * (np.arange(len(counts)) != place)
    interval = evaluation.candidate.intervals[f"recall:{missed}"]
    found = f"{missed}: {number(figures[missed].recall)} ({interval_text(interval)})"
    most = evaluation.classes[int(elsewhere.argmax())]
    taken = f"most often taken for {most}: {elsewhere.max():,} of {counts[place].sum():,} photos"
    yield KeyFinding("Lowest recall", found, taken if elsewhere.any() else "none is taken for another class")
    doubtful = min(figures, key=lambda name: figures[name].precision)
    answered = int(counts[:, evaluation.classes.index(doubtful)].sum())
    right = int(counts[evaluation.classes.index(doubtful), evaluation.classes.index(doubtful)])
    trigger = "" if known.min_precision is None else f"; below {known.min_precision:g} in production it is trained anew"
    yield KeyFinding(
        "Lowest precision",
        f"{doubtful}: {number(figures[doubtful].precision)}",
        f"{answered - right:,} of {answered:,} answers with it are wrong{trigger}",
    )


def _confidence(evaluation: Evaluation) -> Iterator[KeyFinding]:
    metrics, routing = evaluation.candidate.metrics, evaluation.routing
    found = f"Brier score {number(metrics.brier_top1)} of the answer, {number(metrics.brier)} of all classes"
    yield KeyFinding("Calibration", found, f"a confidence is off by {100 * metrics.ece:.1f} points, in the mean")
    if routing.threshold is None:
        yield KeyFinding("Accept or review", "no threshold could be certified", "every answer goes to review")
        return
    of_photos = operation(routing)
    yield KeyFinding(
        "Accept or review",
        f"accepted from a confidence of {number(routing.threshold)}"
        if routing.threshold
        else "every answer is accepted",
        f"of {PHOTOS:,} photos {PHOTOS - of_photos.accepted:,} go to review; of the others at most {of_photos.wrong:,} "
        f"are wrong, with confidence {1 - routing.delta:.0%}",
    )


def _robustness(evaluation: Evaluation, slices: Mapping[str, Sequence[Slice]]) -> Iterator[KeyFinding]:
    every = [part for parts in slices.values() for part in parts if not part.too_few]
    if not every:
        return
    worst = min(every, key=lambda part: part.accuracy)
    told = [f"{part.name} photos" for part in every if part.clearly_worse]
    whole = evaluation.candidate.metrics.accuracy
    found = f"lowest accuracy {number(worst.accuracy)} on {worst.name} photos, {number(whole)} on all"
    yield KeyFinding(
        "Light, sharpness, size",
        found,
        f"clearly worse: {', '.join(told)}" if told else "no third of the photos is clearly worse than the whole",
    )
