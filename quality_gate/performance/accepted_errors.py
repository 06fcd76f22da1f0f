"""Whether accepted answers are more often wrong than the certificate promised, asked after every label.

A test that is repeated with every label raises a false alarm sooner or later. Evidence that may be looked at any time
is the wealth of someone who bets against the promise (Waudby-Smith and Ramdas 2023, "Estimating means of bounded random
variables by betting"; Ramdas et al. 2023, "Game-theoretic statistics and safe anytime-valid inference"). Against the
hypothesis that each audited answer, whatever came before, is wrong with a chance of at most α, a bet on the error rate
p > α multiplies the wealth by p/α where an answer is wrong and by (1 − p)/(1 − α) where it is right: on average by 1 or
less. Spread over several p, and over the answers after which to begin, the wealth remains a supermartingale of mean 1
or less, so that it ever reaches 1/δ with probability δ at most (Ville 1939).

A stake of 1/(k (k + 1)) begins with the k-th twenty answers, so that a long good time does not use up all stakes before
the model becomes worse; 1/(k + 1) of them all has not begun by then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from quality_gate.performance.answers import InspectedAnswer

# Odds of an error against those promised, on which the stakes are spread: from slightly worse to broken.
ODDS = np.array([1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0])
# Answers from one stake that begins to the next: fewer would leave less to each.
ANSWERS_A_STAKE = 20


@dataclass(frozen=True)
class AcceptedErrors:
    """What the audited answers of one model say of its promise.

    Attributes:
        model_version: of the model; a new one begins anew.
        alpha: the promise: largest share of wrong answers among the accepted, in (0, 1).
        false_alarm_rate: chance of ever raising the alarm while the promise is kept, in (0, 1).
        times: when each audited answer was reviewed, in their order.
        wrong: whether the answer was wrong, shape (audited,).
        log_evidence: natural logarithm of the wealth after each, shape (audited,).
    """

    model_version: str
    alpha: float
    false_alarm_rate: float
    times: tuple[datetime, ...]
    wrong: NDArray[np.bool_]
    log_evidence: NDArray[np.float64]

    @property
    def log_threshold(self) -> float:
        """Natural logarithm of the wealth at which the alarm is raised."""
        return -math.log(self.false_alarm_rate)

    @property
    def raised_after(self) -> int | None:
        """After how many audited answers the alarm was raised; None where it was not. Once raised it stays."""
        above = np.flatnonzero(self.log_evidence >= self.log_threshold)
        return int(above[0]) + 1 if len(above) else None


@dataclass(frozen=True)
class Power:
    """How many audited answers it takes to notice an error rate.

    Attributes:
        error_rate: among the accepted answers, in 0..1.
        half: after so many it is noticed in half of all cases; None where it takes more than were simulated.
        nine_in_ten: likewise in nine of ten.
    """

    error_rate: float
    half: int | None
    nine_in_ten: int | None


def accepted_errors(
    answers: Iterable[InspectedAnswer], model_version: str, *, alpha: float, false_alarm_rate: float
) -> AcceptedErrors:
    """Weigh the audited answers of a model in the order in which people told them.

    Args:
        answers: of any models and reasons; those of others, those sent to review, and those without a label say nothing
            here.
        model_version: of the model whose promise it is.
        alpha: the promise of its certificate, in (0, 1).
        false_alarm_rate: in (0, 1).

    Raises:
        ValueError: a rate is outside (0, 1).
    """
    for name, rate in (("alpha", alpha), ("false_alarm_rate", false_alarm_rate)):
        if not 0 < rate < 1:
            raise ValueError(f"{name}: expected a share in (0, 1), got {rate}")
    told = sorted(
        (answer.reviewed_at, answer.id, not answer.is_right)
        for answer in answers
        if answer.model_version == model_version
        and answer.reason == "audit"
        and answer.true_label is not None
        and answer.reviewed_at is not None
    )
    wrong = np.array([is_wrong for _, _, is_wrong in told], dtype=bool)
    evidence = np.array([values[0] for values in log_wealth(wrong[:, None], alpha)])
    return AcceptedErrors(model_version, alpha, false_alarm_rate, tuple(time for time, _, _ in told), wrong, evidence)


def power(
    alpha: float, false_alarm_rate: float, error_rate: float, *, before: int = 0, runs: int = 500, most: int = 5000
) -> Power:
    """How soon an error rate is noticed, by simulation; the same every time.

    Args:
        alpha: the promise, in (0, 1).
        false_alarm_rate: in (0, 1).
        error_rate: that is to be noticed, in 0..1.
        before: audited answers that came first, with half the error rate that was promised.
        runs: simulated sequences.
        most: audited answers after which a sequence is given up.
    """
    rng = np.random.default_rng(0)
    steps = (rng.random(runs) < (alpha / 2 if step < before else error_rate) for step in range(before + most))
    noticed = np.full(runs, np.inf)
    for step, evidence in enumerate(log_wealth(steps, alpha), start=1):
        noticed[(evidence >= -math.log(false_alarm_rate)) & np.isinf(noticed)] = max(step - before, 0)
        if not np.isinf(noticed).any():
            break
    half, nine = (float(np.quantile(noticed, share, method="higher")) for share in (0.5, 0.9))
    return Power(error_rate, *(int(count) if math.isfinite(count) else None for count in (half, nine)))


def log_wealth(steps: Iterable[NDArray[np.bool_]], alpha: float) -> Iterator[NDArray[np.float64]]:
    """Natural logarithm of the wealth after each answer, of sequences side by side.

    Args:
        steps: for each answer, whether it was wrong in each sequence, shape (sequences,).
        alpha: in (0, 1).

    Yields:
        Shape (sequences,).
    """
    rates = ODDS * alpha / (1 - alpha + ODDS * alpha)
    if_wrong, if_right = np.log(rates / alpha), np.log((1 - rates) / (1 - alpha))
    begun, number = np.full((1, len(rates)), -np.inf), 0
    for place, wrong in enumerate(steps):
        if place % ANSWERS_A_STAKE == 0:
            number += 1
            begun = np.logaddexp(begun, -math.log(number * (number + 1)))
        begun = begun + np.where(wrong[:, None], if_wrong, if_right)
        yield np.logaddexp(np.logaddexp.reduce(begun, axis=1) - math.log(len(rates)), -math.log(number + 1))
