"""How far the champion rule can see on a test set: the chance that it refuses a model that is as good as the champion.

The rule accepts a candidate where d̂ − z·s ≥ −margin: d̂ is the paired difference of macro F1, s its standard error and
z the normal quantile of the bound's level. As d̂ is about normal around the true difference d, a candidate is accepted
with probability Φ((d + margin)/s − z): the power of a non-inferiority test (Julious 2004, "Sample sizes for clinical
trials with normal data"). A candidate that is worse by the margin or more is refused about as often as the level says,
however few the photos are (in simulated duels 94 to 95 times in 100 where the smallest class has 37 photos, 91 where it
has ten, and no better with normal, basic or BCa bounds); what few photos cost is the good candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from quality_gate.evaluation.bootstrap import INTERVAL_LEVEL, Interval
from quality_gate.evaluation.wording import number

if TYPE_CHECKING:
    from quality_gate.evaluation.scores import Evaluation

# An equal model shall be refused in at most so many duels.
MOST_REFUSED = 0.10
# Standard error of the difference of two trainings of one method, in standard errors of the macro F1 of one of them:
# that between seeds on produce, where most of the errors are common to both (`benchmarks/duels.py`).
SPREAD_BETWEEN_SEEDS = 0.85

_NORMAL = NormalDist()


@dataclass(frozen=True)
class DuelPower:
    """What the champion rule can tell apart.

    Attributes:
        standard_error: of the paired difference of macro F1, above 0.
        margin: by which the candidate may be worse, 0..1.
        test_photos: behind the standard error.
        observed: whether the standard error is that of a duel, and not one to be expected of the next.
    """

    standard_error: float
    margin: float
    test_photos: int
    observed: bool

    def accepted(self, difference: float) -> float:
        """Probability that a candidate of this true difference of macro F1 is accepted."""
        return _NORMAL.cdf((difference + self.margin) / self.standard_error - _quantile(INTERVAL_LEVEL))

    @property
    def equal_refused(self) -> float:
        """Probability that a model as good as the champion is refused."""
        return 1 - self.accepted(0.0)

    @property
    def better_needed(self) -> float:
        """True difference from which on a candidate is accepted often enough."""
        return self.margin_needed - self.margin

    @property
    def margin_needed(self) -> float:
        """The margin with which a model as good as the champion would be accepted often enough."""
        return (_quantile(INTERVAL_LEVEL) + _quantile(1 - MOST_REFUSED)) * self.standard_error

    @property
    def photos_needed(self) -> float:
        """The test photos with which it would be; infinity at margin 0.

        The standard error falls with their root.
        """
        return self.test_photos * (self.margin_needed / self.margin) ** 2 if self.margin else math.inf

    def warning(self) -> str:
        """The sentence for a test set too small for its margin; empty where it is large enough."""
        if self.equal_refused <= MOST_REFUSED:
            return ""
        when = "" if self.observed else "once there is a champion to compare with, "
        wider = f"widen gate.non_inferiority_margin to {number(min(math.ceil(1000 * self.margin_needed) / 1000, 1.0))}"
        photos = (
            "" if math.isinf(self.photos_needed) else f"test on about {_rounded_up(self.photos_needed):,} photos or "
        )
        return (
            f"{when}a model as good as the champion is refused in about {100 * self.equal_refused:.0f} of 100 duels on "
            f"{self.test_photos:,} test photos, and only one better by {number(self.better_needed)} macro F1 is "
            f"accepted in {100 * (1 - MOST_REFUSED):.0f}; {photos}{wider}"
        )


def duel_power(evaluation: Evaluation, margin: float) -> DuelPower | None:
    """What the champion rule can tell apart on the test photos of an evaluation.

    Where there was a duel, the standard error is that of its paired bootstrap; else that of the candidate's own macro
    F1 times ``SPREAD_BETWEEN_SEEDS``. To either is added what one more photo of the smallest class, answered
    differently, would change: two models that agree on a handful of photos are not known to be equal.

    Args:
        evaluation: the figures.
        margin: ``gate.non_inferiority_margin``.

    Returns:
        None where the scatter is undefined.
    """
    champion = evaluation.champion
    duel = champion.difference if champion else None
    interval = duel.interval if duel else evaluation.candidate.intervals["macro_f1"]
    supports = [each.support for each in evaluation.candidate.metrics.per_class.values() if each.support]
    if math.isnan(interval.low) or not supports:
        return None
    scatter = standard_error(interval) * (1.0 if duel else SPREAD_BETWEEN_SEEDS)
    one_photo = 1 / (2 * len(evaluation.classes) * min(supports))
    return DuelPower(math.hypot(scatter, one_photo), margin, evaluation.test_photos, observed=duel is not None)


def standard_error(interval: Interval) -> float:
    """The standard error of what is normal with this two-sided 95% interval."""
    return (interval.high - interval.low) / (2 * _quantile((1 + INTERVAL_LEVEL) / 2))


def _quantile(share: float) -> float:
    return _NORMAL.inv_cdf(share)


def _rounded_up(photos: float) -> int:
    """To two digits, for it is no more exact than that."""
    unit: int = 10 ** max(len(str(math.ceil(photos))) - 2, 0)
    return math.ceil(photos / unit) * unit
