"""The threshold of a class that must not be missed: chosen on validation photos, measured on test photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.errors import UserError
from quality_gate.evaluation.bootstrap import Interval, recall_interval
from quality_gate.evaluation.metric_sampler import Floats
from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.models.watched_class import HIGHEST_THRESHOLD, WatchedClass, answer

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet
    from quality_gate.models.manifest import RoutingCertificate
    from quality_gate.settings import WatchedClassSettings


def threshold_for_recall(probabilities: Floats, min_recall: float) -> float:
    """The highest threshold at which so many photos of a class are found; 0.5 where a higher one would do too.

    A class of 0.5 is the most probable one already: a threshold above that would find nothing less, and a photo is
    never answered with another class while the watched one is more probable.

    Args:
        probabilities: of the class, for photos of the class, shape (photos,), one or more, in 0..1.
        min_recall: in (0, 1).
    """
    # First to nine decimals, for 0.07 · 100 is a little above 7 in binary.
    to_find = math.ceil(round(min_recall * len(probabilities), 9))
    return min(float(np.sort(probabilities)[::-1][to_find - 1]), HIGHEST_THRESHOLD)


def require_class(label: str, classes: Sequence[str]) -> None:
    """Make sure that a class that is to be watched is one of the data.

    Args:
        label: what the settings name.
        classes: of the data, in order.

    Raises:
        UserError: it is none.
    """
    if label not in classes:
        raise UserError(
            f"calibration.watched_class.label is {label!r}: expected a class of the data, one of {', '.join(classes)}."
        )


def watch(probabilities: NDArray[np.float64], validation: PhotoSet, settings: WatchedClassSettings) -> WatchedClass:
    """Choose the threshold on the validation photos of the class, one of each duplicate group.

    Args:
        probabilities: calibrated, shape (photos, classes).
        validation: the photos.
        settings: which class, and how much of it is to be found.

    Raises:
        UserError: there is no such class, or no validation photo of it.
    """
    label, classes = settings.label, validation.classes
    require_class(label, classes)
    of_class = np.flatnonzero(validation.labels == classes.index(label))
    if not len(of_class):
        raise UserError(f"calibration.watched_class: there is no validation photo of {label}; expected some of it.")
    one_each = of_class[np.unique(validation.groups[of_class], return_index=True)[1]]
    known = probabilities[one_each]
    threshold = threshold_for_recall(known[:, classes.index(label)], settings.min_recall)
    chosen = WatchedClass(label, settings.min_recall, threshold, len(one_each), missed=0)
    missed = int((answer(known, classes, chosen)[0] != classes.index(label)).sum())
    return WatchedClass(label, settings.min_recall, threshold, len(one_each), missed)


def photos_to_claim(min_recall: float, delta: float) -> int:
    """How many photos, all of them found, show a recall with confidence 1 − ``delta``: min_recallⁿ ≤ delta."""
    return math.ceil(math.log(delta) / math.log(min_recall))


def too_few_to_claim(chosen: WatchedClass, delta: float) -> str:
    """The sentence for a recall that the validation photos cannot show; empty where they can."""
    enough = photos_to_claim(chosen.min_recall, delta)
    if chosen.photos >= enough:
        return ""
    return (
        f"the threshold of {chosen.label} is a guess: {chosen.photos:,} validation photos of it cannot show a recall "
        f"of {chosen.min_recall:g} with confidence {1 - delta:g}, which takes {enough:,}; look at its recall on the "
        "test photos"
    )


def watched_sentence(chosen: WatchedClass, delta: float) -> str:
    """From which probability on the class is the answer, and whether that is more than a guess."""
    warning = too_few_to_claim(chosen, delta)
    return (
        f"{chosen.label} is the answer from a probability of {chosen.threshold:.3f} on, which finds "
        f"{chosen.photos - chosen.missed:,} of {chosen.photos:,} validation photos"
        + (f"; warning: {warning}" if warning else "")
    )


def measure_watched(
    test: PhotoSet, probabilities: NDArray[np.float64], chosen: WatchedClass, routing: RoutingCertificate
) -> WatchedScores:
    """Measure the class at its threshold, with the intervals of Clopper and Pearson for groups of near-duplicates.

    That of F1 comes from the Jaccard index J, the share of found photos among those that are of the class or answered
    with it: F1 = 2J / (1 + J) rises with J.

    Args:
        test: the test photos.
        probabilities: of the candidate, calibrated, shape (photos, classes).
        chosen: the class.
        routing: which answers are accepted.
    """
    place = test.classes.index(chosen.label)
    numbers, confidence = answer(probabilities, test.classes, chosen)
    alarm, is_class = numbers == place, test.labels == place
    found, missed = alarm & is_class, is_class & ~alarm
    counted = {
        "recall": (found, is_class),
        "false_alarm_rate": (alarm & ~is_class, ~is_class),
        "precision": (found, alarm),
        "jaccard": (found, alarm | is_class),
    }
    shares = {name: _share(part, whole) for name, (part, whole) in counted.items()}
    intervals = {
        name: recall_interval(shares[name], np.unique(test.groups[whole], return_counts=True)[1])
        for name, (_, whole) in counted.items()
    }
    jaccard = intervals.pop("jaccard")
    return WatchedScores(
        chosen=chosen,
        photos=int(is_class.sum()),
        missed=int(missed.sum()),
        missed_unseen=sum(routing.decide(sure) == "accept" for sure in confidence[missed]),
        false_alarms=int((alarm & ~is_class).sum()),
        recall=shares["recall"],
        false_alarm_rate=shares["false_alarm_rate"],
        precision=shares["precision"],
        f1=_f1(shares["jaccard"]),
        intervals=intervals | {"f1": Interval(_f1(jaccard.low), _f1(jaccard.high))},
    )


def recall_curve(
    labels: NDArray[np.int64], probabilities: Floats, place: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False-alarm rate and recall of a class for every threshold on its probability, from the strictest on.

    Args:
        labels: class number of each photo, shape (photos,); both photos of the class and others.
        probabilities: shape (photos, classes).
        place: number of the class.

    Returns:
        Each rising from 0 to 1, of shape (different probabilities + 1,).
    """
    scores, is_class = np.asarray(probabilities)[:, place], labels == place
    thresholds = np.unique(scores)
    rates = []
    for photos in (~is_class, is_class):
        of_kind = np.sort(scores[photos])
        rates.append((len(of_kind) - np.searchsorted(of_kind, thresholds, side="left")) / len(of_kind))
    false_alarms, recall = (np.append(0.0, rate[::-1]) for rate in rates)
    return false_alarms, recall


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else math.nan


def _f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)
