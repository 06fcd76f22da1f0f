"""Which answers may be accepted unseen, and the proof of it.

A threshold on the confidence is certified by fixed-sequence testing (Geifman and El-Yaniv 2017, "Selective
classification for deep neural networks"; Angelopoulos et al. 2021, "Learn then Test"): the thresholds are put in an
order before a calibration label is seen, each is tested at the full level δ, and the first that cannot be proven ends
the sequence. The probability that the threshold in use is worse than promised is then at most δ, however many were
tested.

The tests are exact if the calibration photos are independent draws of what the model will see. Near-duplicates are
not: pass one photo a duplicate group.
"""

import math

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.metric_sampler import Floats
from quality_gate.models.manifest import RoutingCertificate

COVERAGE_STEP = 0.025
MIN_START_COVERAGE = 0.25


def certify(
    validation_confidence: Floats,
    calibration_confidence: Floats,
    calibration_correct: NDArray[np.bool_],
    alpha: float,
    delta: float,
) -> RoutingCertificate:
    """The most inclusive threshold of which it is proven that at most ``alpha`` of the accepted answers are wrong.

    Every hypothesis "more than ``alpha`` of the answers above the threshold are wrong" is tested by the exact binomial
    tail, P(Bin(accepted, alpha) ≤ wrong).

    Args:
        validation_confidence: highest probability of each validation photo, shape (validation photos,), in 0..1; only
            the thresholds come from them.
        calibration_confidence: the same of the calibration photos, one photo a duplicate group, which nothing else
            was chosen on.
        calibration_correct: whether the answer was right, shape of ``calibration_confidence``.
        alpha: largest share of wrong answers among the accepted, in (0, 1).
        delta: probability with which the certificate may be wrong, in (0, 1).

    Returns:
        The certificate; without a threshold where none could be proven, be it that the model is too often wrong or
        that the photos are too few. ``risk_upper_bound`` is the one-sided bound of Clopper and Pearson (1934) at the
        threshold, never above ``alpha``: the promise is ``alpha``, the bound says how much room there was.

    Raises:
        ValueError: a shape, type or range is another.
    """
    confidence, correct = _checked_answers(calibration_confidence, calibration_correct)
    thresholds = threshold_sequence(validation_confidence, len(confidence), alpha, delta)
    accepted, wrong = _accepted_and_wrong(confidence, correct, thresholds)

    from scipy.special import bdtr, bdtri

    proven = np.logical_and.accumulate(bdtr(wrong, accepted, alpha) <= delta)
    photos = len(confidence)
    if not proven[0]:
        return RoutingCertificate(alpha, delta, None, 0.0, 0, 0, photos, None)
    last = int(proven.sum()) - 1
    n_accepted, n_wrong = int(accepted[last]), int(wrong[last])
    return RoutingCertificate(
        alpha=alpha,
        delta=delta,
        threshold=float(thresholds[last]),
        coverage=n_accepted / photos,
        accepted=n_accepted,
        wrong=n_wrong,
        photos=photos,
        risk_upper_bound=float(bdtri(n_wrong, n_accepted, delta)),
    )


def threshold_sequence(
    validation_confidence: Floats, calibration_photos: int, alpha: float, delta: float
) -> NDArray[np.float64]:
    """The thresholds to test, in the order of testing: from the most selective to 0, which accepts every photo.

    They accept 2.5%, 5%, … of the validation photos. A sequence that starts too early ends at once on a single
    unlucky error, so two kinds of threshold are left out:

    - Those that would accept too few calibration photos to prove anything. Even without an error it takes
      n₀ = ⌈log δ / log(1 − α)⌉ of them; how many lie above a threshold is known only from validation, and both counts
      scatter by up to √n₀, so n₀ + 2√n₀ are asked for. That suffices nine times in ten; asking for more would cost
      certificates where photos are few.
    - Those that would accept less than a quarter of the photos. Where photos abound, starting there tolerates the few
      errors, wrong labels among them, that even the surest answers have.

    Args:
        validation_confidence: shape (validation photos,), in 0..1.
        calibration_photos: how many there are, 1 or more; their confidences and labels play no part.
        alpha: in (0, 1).
        delta: in (0, 1).

    Returns:
        Strictly falling thresholds, the last one 0; shape (1 or more,).

    Raises:
        ValueError: a shape or range is another.
    """
    confidence = _checked_confidence(validation_confidence)
    for name, share in (("alpha", alpha), ("delta", delta)):
        if not 0 < share < 1:
            raise ValueError(f"{name}: expected a share in (0, 1), got {share}")
    coverages = np.arange(1, round(1 / COVERAGE_STEP)) * COVERAGE_STEP
    candidates = np.unique(np.quantile(confidence, 1 - coverages, method="inverted_cdf"))[::-1]
    accepted_share = (confidence[:, None] >= candidates).mean(axis=0)
    enough = math.ceil(math.log(delta) / math.log1p(-alpha))
    start = max((enough + 2 * math.sqrt(enough)) / calibration_photos, MIN_START_COVERAGE)
    return np.append(candidates[(accepted_share >= start) & (candidates > 0)], 0.0)


def risk_coverage_curve(
    confidence: Floats, correct: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share accepted and share of these that is wrong, for every threshold that parts photos, most selective first.

    Args:
        confidence: highest probability of each photo, shape (photos,), in 0..1.
        correct: whether the answer was right, shape (photos,).

    Returns:
        Coverage, strictly rising to 1, and risk, in 0..1; each of shape (different confidences,).

    Raises:
        ValueError: a shape, type or range is another.
    """
    values, right = _checked_answers(confidence, correct)
    accepted, wrong = _accepted_and_wrong(values, right, np.unique(values)[::-1])
    return accepted / len(values), wrong / accepted


def _accepted_and_wrong(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    order = np.argsort(-confidence, kind="stable")
    # Negated, for searchsorted wants rising values: an answer is accepted from the threshold on, equality included.
    accepted = np.searchsorted(-confidence[order], -thresholds, side="right")
    wrong_so_far = np.append(0, np.cumsum(~correct[order]))
    return accepted, wrong_so_far[accepted]


def _checked_confidence(confidence: Floats) -> NDArray[np.float64]:
    values = np.asarray(confidence, dtype=np.float64)
    # A NaN fails both comparisons.
    if values.ndim != 1 or len(values) == 0 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"confidence: expected shape (photos,) with values in 0..1, got {values.shape}")
    return values


def _checked_answers(confidence: Floats, correct: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, right = _checked_confidence(confidence), np.asarray(correct)
    if right.dtype != np.bool_ or right.shape != values.shape:
        raise ValueError(f"correct: expected booleans of shape {values.shape}, got {right.dtype} of {right.shape}")
    return values, right
