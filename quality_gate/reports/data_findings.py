"""What stands out in a dataset, in sentences: read before any figure of the data page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from quality_gate.data.duplicate_groups import DuplicateGroups
from quality_gate.reports.class_balance import Balance
from quality_gate.reports.spreads import Histogram, Measure

# Most common by rarest class: up to the first nothing need be done; above the second the rare class is likely missed.
EVEN_RATIO, IMBALANCED_RATIO = 1.5, 3.0
# Shares of variance are called large from 0.14 on (Cohen 1988); a quarter is far beyond.
TELLING_SHARE = 0.25
# Two samples of one source come as far apart once in a hundred times (Smirnov 1948); less than a tenth hardly matters.
SMIRNOV_1_PERCENT = 1.63
NOTABLE_DISTANCE = 0.1


@dataclass(frozen=True)
class Finding:
    """One sentence, and whether it is good news, bad news or neither."""

    status: Literal["pass", "warn", "none"]
    sentence: str


def balance_findings(balance: Balance) -> Iterator[Finding]:
    """How even the classes are, and what a model gains that knows nothing but the most common one."""
    if not balance.rows:
        return
    most, least = balance.rows[0], balance.rows[-1]
    times = f"{balance.ratio:.1f}".removesuffix(".0")
    if not least.photos:
        yield Finding("warn", f"Class {least.label} has not one usable photo.")
    elif balance.ratio <= EVEN_RATIO:
        photos = f"{least.photos:,}" if least.photos == most.photos else f"{least.photos:,} to {most.photos:,}"
        yield Finding("pass", f"The classes are balanced: {photos} photos each.")
    else:
        uneven = balance.ratio <= IMBALANCED_RATIO
        sentence = (
            f"The classes are {'slightly uneven' if uneven else 'imbalanced'}: {most.label} has {times} times as many "
            f"photos as {least.label} ({most.photos:,} and {least.photos:,})."
        )
        always = (
            f" A model that always answered {most.label} would be right {most.share:.0%} of the time: judge by macro "
            "F1, not by accuracy."
        )
        yield Finding("none" if uneven else "warn", sentence if uneven else sentence + always)


def left_out_findings(files: int, left_out: int) -> Iterator[Finding]:
    """How many files are not used."""
    if left_out:
        are = "is" if left_out == 1 else "are"
        yield Finding(
            "warn", f"{left_out:,} of {files:,} files ({left_out / files:.1%}) {are} left out, listed with the reason."
        )
    else:
        yield Finding("pass", f"All {files:,} files are used.")


def duplicate_findings(duplicates: DuplicateGroups) -> Iterator[Finding]:
    """What the duplicate groups say of labels and leaks."""
    what = "near-duplicates" if duplicates.has_near_duplicates else "exact copies"
    conflicts, leaks, copies = (int(duplicates.groups[name].sum()) for name in ("is_conflict", "is_leak", "copies"))
    if conflicts:
        has = "has" if conflicts == 1 else "have"
        yield Finding("warn", f"{_number(conflicts, 'group')} of {what} {has} several labels: look at them first.")
    if leaks:
        reach = "reaches" if leaks == 1 else "reach"
        after = "; the files outside test are left out" if duplicates.has_near_duplicates else ""
        yield Finding("warn", f"{_number(leaks, 'group')} of {what} {reach} from training into test{after}.")
    if not conflicts and not leaks:
        yield Finding("pass", f"No {what} under different labels, and none in both training and test.")
    if copies:
        repeats = "repeats" if copies == 1 else "repeat"
        yield Finding("none", f"{_number(copies, 'file')} {repeats} another byte for byte.")


def outlier_findings(photos: int, outliers: int) -> Iterator[Finding]:
    """How many photos are unlike their class."""
    if outliers:
        is_one = outliers == 1
        yield Finding(
            "none",
            f"{_number(outliers, 'photo')} ({outliers / photos:.1%}) {'is' if is_one else 'are'} far from the rest of "
            f"{'its' if is_one else 'their'} class in light, colour, sharpness, size or shape.",
        )
    else:
        yield Finding("pass", "No photo is far from its class in light, colour, sharpness, size or shape.")


def shortcut_findings(measures: Iterable[Measure]) -> Iterator[Finding]:
    """Whether a class can be told from how its photos were taken, not from what they show."""
    telling = sorted((m for m in measures if m.explained >= TELLING_SHARE), key=lambda m: -m.explained)
    if telling:
        named = " and ".join(f"{measure.explained:.0%} of the variance of {measure.name}" for measure in telling[:2])
        yield Finding(
            "warn",
            f"The class explains {named}: a model may learn how the photos were taken instead of what they show.",
        )


def shift_findings(drawn: Sequence[Histogram], training: int, test: int) -> Iterator[Finding]:
    """Whether the test photos are like those trained on; nothing where there are not both."""
    compared = [(histogram.distance, histogram.measure.name) for histogram in drawn if histogram.distance is not None]
    if not compared:
        return
    limit = max(NOTABLE_DISTANCE, SMIRNOV_1_PERCENT * (1 / training + 1 / test) ** 0.5)
    apart = sorted(((distance, name) for distance, name in compared if distance > limit), reverse=True)
    if apart:
        named = ", ".join(f"{name} ({distance:.2f} apart)" for distance, name in apart)
        yield Finding("warn", f"The test photos are not like the training photos in {named}.")
    else:
        yield Finding("pass", "The test photos have the light, the sharpness and the sizes of the training photos.")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
