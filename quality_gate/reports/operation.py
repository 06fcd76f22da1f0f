"""The operator's table: of 1,000 photos, how many are accepted, how many of them wrong, how many go to review."""

from __future__ import annotations

import math
from dataclasses import dataclass

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.operating_points import MeasuredShare, OperatingPoint
from quality_gate.evaluation.wording import UNDEFINED, number
from quality_gate.models.manifest import RoutingCertificate

PHOTOS = 1000


@dataclass(frozen=True)
class Operation:
    """What the certificate means for 1,000 photos.

    Attributes:
        accepted: photos that are accepted, of 1,000.
        wrong: how many of these may be wrong, at most.
        enough: calibration photos, all answered right, that a certificate takes at the least.
    """

    accepted: int
    wrong: int
    enough: int


@dataclass(frozen=True)
class Found:
    """A number of photos, of 1,000, with its 95% interval, in words."""

    photos: str
    interval: str


@dataclass(frozen=True)
class PointColumn:
    """One column of the operator's table.

    Attributes:
        title: which threshold it is.
        in_use: whether the model decides by it.
        promise: what was proven of it, and how surely.
        threshold: from which confidence on an answer is accepted, and what that means.
        promised: what calibration says of 1,000 photos; None without a certificate.
        accepted: found on the test photos.
        wrong: of these.
        review: the rest.
    """

    title: str
    in_use: bool
    promise: tuple[str, str]
    threshold: tuple[str, str]
    promised: Operation | None
    accepted: Found
    wrong: Found
    review: Found


def operation(certificate: RoutingCertificate) -> Operation:
    """What a certificate means for 1,000 photos."""
    accepted = round(PHOTOS * certificate.coverage) if certificate.threshold is not None else 0
    return Operation(
        accepted=accepted,
        # Rounded up, for it is a promise; first to nine decimals, for 0.07 · 100 is a little above 7 in binary.
        wrong=math.ceil(round(certificate.alpha * accepted, 9)),
        enough=math.ceil(math.log(certificate.delta) / math.log1p(-certificate.alpha)),
    )


def point_columns(points: tuple[OperatingPoint, ...]) -> list[PointColumn]:
    """The columns of the operator's table, in the order of the points."""
    in_use = next(point for point in points if point.in_use)
    assert in_use.certificate is not None
    return [_column(point, in_use.certificate.alpha) for point in points]


def percent(share: float) -> str:
    """A share with as many digits as it deserves: 5%, 2.5%, 0.1%."""
    return f"{100 * share:.4g}%"


def _column(point: OperatingPoint, alpha_in_use: float) -> PointColumn:
    certificate = point.certificate
    review = MeasuredShare(
        1 - point.accepted.value, Interval(1 - point.accepted.interval.high, 1 - point.accepted.interval.low)
    )
    proven = certificate is not None and certificate.threshold is not None
    return PointColumn(
        title=_title(point, alpha_in_use),
        in_use=point.in_use,
        promise=_promise(certificate),
        threshold=_threshold(point.threshold),
        promised=operation(certificate) if proven and certificate else None,
        accepted=_found(point.accepted),
        wrong=_found(point.wrong),
        review=_found(review),
    )


def _title(point: OperatingPoint, alpha_in_use: float) -> str:
    if point.in_use:
        return "In use"
    if point.certificate is None:
        return f"Confidence {point.threshold:g}"
    return "Stricter" if point.certificate.alpha < alpha_in_use else "Looser"


def _promise(certificate: RoutingCertificate | None) -> tuple[str, str]:
    if certificate is None:
        return "none", "nothing proven"
    wrong, confidence = f"≤ {percent(certificate.alpha)} wrong", percent(1 - certificate.delta)
    if certificate.threshold is None:
        return "none", f"{wrong} could not be proven"
    return wrong, f"with confidence {confidence}"


def _threshold(threshold: float | None) -> tuple[str, str]:
    if threshold is None:
        return UNDEFINED, "all to review"
    return number(threshold), "every answer" if threshold == 0 else ""


def _found(share: MeasuredShare) -> Found:
    low, high = (_photos(end) for end in (share.interval.low, share.interval.high))
    return Found(_photos(share.value), f"{low} to {high}")


def _photos(share: float) -> str:
    # Below ten photos a decimal is worth keeping: 0.4 of 1,000 is not none.
    photos = PHOTOS * share
    return f"{photos:.1f}" if 0 < photos < 9.95 else f"{photos:,.0f}"
