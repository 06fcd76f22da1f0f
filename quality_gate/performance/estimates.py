"""How good all answers of a period are, from the few that people looked at.

People see every answer the service would not accept, but only a random share of those it accepted. Taken as they come
the labels would make the model look worse than it is, since the hard photos are over-represented. Each labelled answer
therefore stands for as many as its chance of being seen says, and those of either kind together for as many as the
service gave of that kind:

    weight = (1 / share) · N / Σ (1 / share)

with N the number of answers of its kind (accepted, or sent to review) and the sum over the labelled ones of that kind.
This is the estimator of Horvitz and Thompson (1952) in the ratio form of Hájek (1971), post-stratified by the decision
(Särndal, Swensson and Wretman 1992, "Model Assisted Survey Sampling", chapter 7). Answers without a label yet, or that
people could not tell, are taken to be like the labelled ones of their kind.

The intervals must hold where a few dozen audited answers hold an error or none: percentiles of resampled answers would
then promise certainty. The weights are therefore drawn as in the Bayesian bootstrap (Rubin 1981), and every class
answered, of either kind, gets half an answer that was right and half a one that was wrong, copies of the real ones, the
wrong ones taken for the second most probable class. That is the prior of Jeffreys, whose intervals cover a share about
as often as they say, also at 0 and 1 (Brown, Cai and DasGupta 2001, "Interval estimation for a binomial proportion").
`tests/performance/test_coverage.py` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.bootstrap import Interval, percentile_interval, recall_interval
from quality_gate.evaluation.metric_sampler import MetricSampler, class_scores
from quality_gate.performance.answers import InspectedAnswer, Reason, Volume

KINDS: tuple[Reason, ...] = ("audit", "review")


@dataclass(frozen=True)
class Estimate:
    """A figure of all answers, with its 95% interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Estimates:
    """Figures of all answers of a period.

    Attributes:
        scores: accuracy, macro_f1, brier, brier_top1 and ece by name.
        precision: of every class, in their order.
        recall: likewise.
        accepted_error: share of wrong answers among the accepted; None where no audited one was labelled.
    """

    scores: dict[str, Estimate]
    precision: tuple[Estimate, ...]
    recall: tuple[Estimate, ...]
    accepted_error: Estimate | None


def answer_weights(labelled: Sequence[InspectedAnswer], volume: Volume) -> NDArray[np.float64]:
    """How many answers each labelled one stands for, shape (answers,).

    Args:
        labelled: answers with a label.
        volume: how many answers the service gave. Where it says less than were labelled, as a log that lags behind may,
            the labelled ones stand for themselves.
    """
    weights = np.array([1 / answer.share for answer in labelled])
    for kind in KINDS:
        of_kind = _is_of(labelled, kind)
        if of_kind.any():
            weights[of_kind] *= max(volume.of(kind), of_kind.sum()) / weights[of_kind].sum()
    return weights


def estimate(
    labelled: Sequence[InspectedAnswer], volume: Volume, classes: Sequence[str], *, resamples: int, seed: int
) -> Estimates:
    """Estimate every figure.

    Args:
        labelled: answers of one model with a label that is one of the classes; one or more.
        volume: how many answers the service gave in the same time.
        classes: of the model.
        resamples: 1 or more; 1000 for ends that are good to about a tenth of the interval.
        seed: of the draws.
    """
    place = {name: index for index, name in enumerate(classes)}
    probabilities = np.array([[answer.probabilities[name] for name in classes] for answer in labelled])
    truth = np.array([place[str(answer.true_label)] for answer in labelled])
    answered = probabilities.argmax(axis=1)
    second = np.argsort(-probabilities, axis=1, kind="stable")[:, 1]
    weights = answer_weights(labelled, volume)
    # The real ones, then each as if it were right and as if it were wrong: of no weight but in the draws.
    sampler = MetricSampler(np.concatenate([truth, answered, second]), np.tile(probabilities, (3, 1)))
    kinds = _is_of(labelled, "review").astype(np.int64)
    rng = np.random.default_rng(seed)
    # Half a wrong answer in every class would be many wrong answers in all, and none in a class would be certainty.
    draws = _draw(weights, kinds, kinds, resamples, rng)
    scores = {**sampler.answer_scores(draws), "macro_f1": sampler.macro_f1(draws)}
    by_class = class_scores(sampler.class_counts(_draw(weights, answered * len(KINDS) + kinds, kinds, resamples, rng)))
    once = np.concatenate([weights, np.zeros(2 * len(weights))])[None]
    values = {**sampler.answer_scores(once), "macro_f1": sampler.macro_f1(once)}
    class_values = class_scores(sampler.class_counts(once))[:, 0]
    names = ("accuracy", "macro_f1", "brier", "brier_top1", "ece")
    return Estimates(
        scores={name: _around(float(values[name][0]), scores[name]) for name in names}
        | {"ece": _without_noise(float(values["ece"][0]), scores["ece"])},
        precision=tuple(_around(float(class_values[0, c]), by_class[0, :, c]) for c in range(len(classes))),
        recall=tuple(_around(float(class_values[1, c]), by_class[1, :, c]) for c in range(len(classes))),
        accepted_error=_accepted_error(labelled, weights),
    )


def _draw(
    weights: NDArray[np.float64],
    cells: NDArray[np.int64],
    kinds: NDArray[np.int64],
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Weights of the real answers, and of those as if right and as if wrong, shape (resamples, 3 · answers).

    Args:
        weights: of the real answers, shape (answers,).
        cells: among which each is drawn, of one kind each; every cell gets half a right and half a wrong answer.
        kinds: of each answer, as its place in KINDS; their weights stay together what they are.
        resamples: how many to draw.
        rng: to draw from.
    """
    count = len(weights)
    drawn = np.zeros((resamples, 3 * count))
    for cell in np.unique(cells):
        inside = np.flatnonzero(cells == cell)
        shapes = np.concatenate([np.ones(len(inside)), np.full(2 * len(inside), 0.5 / len(inside))])
        size = np.concatenate([weights[inside], np.full(2 * len(inside), weights[inside].mean())])
        gammas = rng.standard_gamma(shapes, (resamples, len(shapes))) * size
        # How much a cell counts is of the real answers alone.
        total = rng.standard_gamma(len(inside), (resamples, 1)) * weights[inside].mean()
        drawn[:, np.concatenate([inside, count + inside, 2 * count + inside])] = (
            gammas / gammas.sum(axis=1, keepdims=True) * total
        )
    for kind in np.unique(kinds):
        of_kind = np.tile(kinds == kind, 3)
        drawn[:, of_kind] *= weights[kinds == kind].sum() / drawn[:, of_kind].sum(axis=1, keepdims=True)
    return drawn


def _accepted_error(labelled: Sequence[InspectedAnswer], weights: NDArray[np.float64]) -> Estimate | None:
    audited = _is_of(labelled, "audit")
    if not audited.any():
        return None
    wrong = np.array([not answer.is_right for answer in labelled])
    value = float((weights * wrong)[audited].sum() / weights[audited].sum())
    return Estimate(value, recall_interval(value, weights[audited]))


def _around(value: float, draws: NDArray[np.float64]) -> Estimate:
    interval = percentile_interval(draws)
    return Estimate(value, Interval(min(interval.low, value), max(interval.high, value)))


def _without_noise(value: float, draws: NDArray[np.float64]) -> Estimate:
    """A calibration error, which noise only raises.

    Noise adds about in squares: error² is to the measured² what that is to the drawn². With as few answers as people
    label, mirroring the differences instead (``unbiased_interval``) calls a calibrated model uncalibrated one time in
    five.
    """
    high = max(percentile_interval(draws).high, value)
    return Estimate(value, Interval(max(2 * value**2 - high**2, 0.0) ** 0.5, high))


def _is_of(answers: Sequence[InspectedAnswer], kind: Reason) -> NDArray[np.bool_]:
    return np.array([answer.reason == kind for answer in answers], dtype=bool)
