"""What the model does at the certified threshold, and what it would do at a stricter and a looser one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import INTERVAL_LEVEL, Interval, percentile_interval, weight_blocks
from quality_gate.evaluation.metric_sampler import Floats
from quality_gate.models.manifest import RoutingCertificate

# Thresholds shown where nothing could be certified, so that there is something to compare with.
STRICT_CONFIDENCE, LOOSE_CONFIDENCE = 0.99, 0.5


@dataclass(frozen=True)
class MeasuredShare:
    """A share of the test photos, in 0..1, with its 95% interval by duplicate group."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, what was promised of it and what the test photos say.

    Attributes:
        threshold: confidence from which an answer is accepted; None where every photo goes to review.
        certificate: the promise, made on the calibration photos; None for a threshold that nothing was proven of.
        in_use: whether the model decides by it.
        accepted: test photos that are accepted.
        wrong: test photos that are accepted with a wrong answer, of all test photos.
        accepted_photos: test photos that are accepted.
        wrong_photos: of these, how many are wrong.
    """

    threshold: float | None
    certificate: RoutingCertificate | None
    in_use: bool
    accepted: MeasuredShare
    wrong: MeasuredShare
    accepted_photos: int
    wrong_photos: int


@dataclass(frozen=True)
class Answers:
    """Answers for the test photos, and how to draw them again.

    Attributes:
        confidence: highest probability of each photo, shape (photos,).
        correct: whether the answer was right, shape (photos,).
        groups: the duplicate group of each photo, shape (photos,).
        resamples: behind every interval.
        seed: of the resamples.
    """

    confidence: Floats
    correct: NDArray[np.bool_]
    groups: NDArray[Any]
    resamples: int
    seed: int


def operating_points(
    in_use: RoutingCertificate, others: tuple[RoutingCertificate, ...], test: Answers
) -> tuple[OperatingPoint, ...]:
    """The certificate in use between a stricter and a looser threshold.

    Args:
        in_use: the model's certificate.
        others: certificates of other promises, in any order; those without a threshold say nothing and are left out.
        test: answers for the test photos.

    Returns:
        From the strictest promise to the loosest. A side without a certificate has a plain confidence in its place.
    """
    known = [one for one in others if one.threshold is not None]
    stricter = [operating_point(one.threshold, one, test) for one in known if one.alpha < in_use.alpha]
    looser = [operating_point(one.threshold, one, test) for one in known if one.alpha > in_use.alpha]
    return (
        *(stricter or [operating_point(STRICT_CONFIDENCE, None, test)]),
        operating_point(in_use.threshold, in_use, test, in_use=True),
        *(looser or [operating_point(LOOSE_CONFIDENCE, None, test)]),
    )


def operating_point(
    threshold: float | None, certificate: RoutingCertificate | None, test: Answers, *, in_use: bool = False
) -> OperatingPoint:
    """Measure a threshold on the test photos."""
    limit = math.inf if threshold is None else threshold
    accepted = np.asarray(test.confidence >= limit)
    wrong = accepted & ~test.correct
    return OperatingPoint(
        threshold=threshold,
        certificate=certificate,
        in_use=in_use,
        accepted=_share(accepted, test),
        wrong=_share(wrong, test),
        accepted_photos=int(accepted.sum()),
        wrong_photos=int(wrong.sum()),
    )


def _share(chosen: NDArray[np.bool_], test: Answers) -> MeasuredShare:
    """Share of the photos with its interval.

    The bootstrap knows nothing of what it has not seen. Where no photo is chosen, or every one, the far end is the
    exact one of Clopper and Pearson (1934) for as many groups without an exception.
    """
    samples = np.concatenate(
        [(block @ chosen) / block.sum(axis=1) for block in weight_blocks(test.groups, test.resamples, test.seed)]
    )
    interval = percentile_interval(samples)
    unseen = 1 - ((1 - INTERVAL_LEVEL) / 2) ** (1 / len(np.unique(test.groups)))
    if not chosen.any():
        interval = Interval(0.0, unseen)
    elif chosen.all():
        interval = Interval(1 - unseen, 1.0)
    return MeasuredShare(float(chosen.mean()), interval)
