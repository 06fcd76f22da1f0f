"""The page about a retraining: what was reviewed, what became of it, and what the new photos changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.image_table import ROLLING_TEST, SPLITS
from quality_gate.evaluation.wording import interval_text, number
from quality_gate.reports.rendering import photo, render

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.evaluation.measured import Measured
    from quality_gate.evaluation.scores import ChampionComparison, Scores

THUMBNAIL_EDGE = 160
SHOWN_PHOTOS = 24


@dataclass(frozen=True)
class ScoredModel:
    """A model on a set of test photos, in words."""

    model: str
    macro_f1: str
    brier: str
    ece: str


@dataclass(frozen=True)
class TestSet:
    """What both models reach on one set; ``difference`` is that of macro F1, '' where nothing can be compared."""

    name: str
    photos: int
    models: tuple[ScoredModel, ...]
    difference: str


@dataclass(frozen=True)
class RecallRow:
    """Recall of a class on one set; ``former`` is NaN where there is no comparable champion."""

    label: str
    photos: int
    former: float
    now: float


@dataclass(frozen=True)
class ChangedPhoto:
    """A reviewed photo that one model answers right and the other wrong; ``thumbnail`` is a data URI."""

    label: str
    former: str
    now: str
    thumbnail: str


def retraining_page(
    measured: Measured,
    rolling: PhotoSet | None,
    table: pd.DataFrame,
    reviewed: Collection[str],
    *,
    name: str,
    said: Sequence[str],
    held_back: Mapping[str, Mapping[str, str]],
    mistaken: Collection[str],
    copies: int,
) -> str:
    """The page.

    Args:
        measured: candidate and champion on both test sets.
        rolling: the reviewed photos that were measured on.
        table: the image table after the split.
        reviewed: paths of the reviewed photos in it.
        name: of the gate.
        said: what is known of the reviewed photos, a line each.
        held_back: labels by reviewer of the photos on which reviewers disagree, by SHA-256.
        mistaken: SHA-256 of the reviewed photos that the model had answered wrongly.
        copies: how often each of them that is learnt from counted.

    Returns:
        Static HTML.
    """
    evaluation = measured.evaluation
    sets = [_test_set("fixed test photos", evaluation.test_photos, evaluation.candidate, evaluation.champion)]
    recalls = {"fixed test photos": _recalls(evaluation.candidate, evaluation.champion)}
    corrected, spoilt = _changed(measured.rolling, rolling)
    if evaluation.rolling is not None:
        found = evaluation.rolling
        sets.append(_test_set("reviewed photos", found.photos, found.candidate, found.champion))
        recalls["reviewed photos"] = _recalls(found.candidate, found.champion)
    return render(
        "retraining.html.j2",
        name=name,
        said=said,
        places=_places(table[table["path"].isin(list(reviewed))]),
        hard_negatives=int(((table["split"] == "train") & table["image_id"].isin(list(mistaken))).sum()),
        copies=copies,
        sets=sets,
        recalls=recalls,
        corrected=_shown(corrected, measured.rolling, rolling),
        spoilt=_shown(spoilt, measured.rolling, rolling),
        corrected_count=len(corrected),
        spoilt_count=len(spoilt),
        held_back=held_back,
    )


def _places(reviewed: pd.DataFrame) -> list[tuple[str, int]]:
    """How many photos of a table are in each split, and how many in none."""
    counts = Counter(reviewed["split"])
    named = [(split.replace("_", " "), counts[split]) for split in (*SPLITS, ROLLING_TEST) if counts[split]]
    return [*named, ("left out", counts[""])] if counts[""] else named


def _test_set(name: str, photos: int, candidate: Scores, champion: ChampionComparison | None) -> TestSet:
    models = [_scored("candidate", candidate)]
    if champion is None or champion.scores is None or champion.difference is None:
        return TestSet(name, photos, tuple(models), "")
    models.insert(0, _scored(f"champion {champion.version}", champion.scores))
    difference = champion.difference
    said = f"{number(difference.estimate, sign=True)} ({interval_text(difference.interval)})"
    return TestSet(name, photos, tuple(models), said)


def _scored(model: str, scores: Scores) -> ScoredModel:
    figures = [
        f"{number(scores.metrics.scalars()[metric])} ({interval_text(scores.intervals[metric])})"
        for metric in ("macro_f1", "brier", "ece")
    ]
    return ScoredModel(model, *figures)


def _recalls(candidate: Scores, champion: ChampionComparison | None) -> list[RecallRow]:
    former = champion.scores.metrics.per_class if champion and champion.scores else {}
    return [
        RecallRow(label, now.support, former[label].recall if label in former else float("nan"), now.recall)
        for label, now in candidate.metrics.per_class.items()
        if now.support
    ]


def _changed(
    answers: Mapping[str, NDArray[np.float64]], rolling: PhotoSet | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the photos that only the candidate answers right, and of those that only the champion did."""
    if rolling is None or "champion" not in answers:
        return np.array([], dtype=np.intp), np.array([], dtype=np.intp)
    now, former = (answers[model].argmax(axis=1) == rolling.labels for model in ("candidate", "champion"))
    return np.flatnonzero(now & ~former), np.flatnonzero(former & ~now)


def _shown(
    places: NDArray[np.intp], answers: Mapping[str, NDArray[np.float64]], rolling: PhotoSet | None
) -> list[ChangedPhoto]:
    if rolling is None:
        return []
    chosen = places[:SHOWN_PHOTOS].tolist()
    photos = rolling.snapshot.photos([rolling.image_ids[place] for place in chosen])
    return [
        ChangedPhoto(
            label=rolling.classes[rolling.labels[place]],
            former=rolling.classes[answers["champion"][place].argmax()],
            now=rolling.classes[answers["candidate"][place].argmax()],
            thumbnail=photo(data, THUMBNAIL_EDGE),
        )
        for place, data in zip(chosen, photos, strict=True)
    ]
