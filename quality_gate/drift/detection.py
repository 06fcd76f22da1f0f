"""Whether a window has drifted from the reference, with a known rate of false alarms.

Each group of columns gets one p value by resampling, whatever its number of columns, ties and photos; Holm's correction
over the groups makes the rate that of the whole window. It is the rate over references and windows alike: windows that
are held against the same reference share its luck, so that false alarms come in series rather than evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from quality_gate.drift.effect_sizes import jensen_shannon, standardised_wasserstein
from quality_gate.drift.observations import Observations
from quality_gate.drift.report import ColumnDrift, GroupDrift
from quality_gate.drift.resampling import holm, resampled_p
from quality_gate.drift.statistics import ClassFrequencies, DomainClassifier, LargestDistance

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "light": ("brightness", "contrast", "red_share", "blue_share"),
        "sharpness": ("sharpness",),
        "size": ("width", "height", "file_size"),
        "confidence": ("confidence",),
    }
)
CLASSES, FEATURES = "classes", "features"


def compare(
    reference: Observations,
    window: Observations,
    *,
    false_alarm_rate: float,
    resamples: int,
    min_photos: int,
    seed: int,
) -> tuple[GroupDrift, ...]:
    """Hold a window against the reference, group by group.

    Args:
        reference: photos the model was not trained on.
        window: photos of the prediction log, with the same classes; at least ``min_photos``.
        false_alarm_rate: share of windows without drift in which any group is said to have drifted, at most.
        resamples: behind a p value, at most.
        min_photos: fewer photos with features are not compared by these.
        seed: of the resamples; the same photos and seed give the same p values.
    """
    random = np.random.default_rng(seed)
    measured = [
        *(_columns_group(name, columns, reference, window, resamples, random) for name, columns in GROUPS.items()),
        _classes_group(reference, window, resamples, random),
        _features_group(reference, window, resamples, min_photos, random),
    ]
    p_values = {group.name: group.p_value for group in measured if group.p_value is not None}
    adjusted = holm(p_values)
    return tuple(
        replace(group, adjusted_p=adjusted[group.name], drifted=adjusted[group.name] <= false_alarm_rate)
        if group.name in adjusted
        else group
        for group in measured
    )


def _columns_group(
    name: str,
    columns: Sequence[str],
    reference: Observations,
    window: Observations,
    resamples: int,
    random: np.random.Generator,
) -> GroupDrift:
    before, now = reference.columns, window.columns
    statistic = LargestDistance([np.concatenate([before[column], now[column]]) for column in columns])
    found = resampled_p(statistic, _is_window(len(reference), len(window)), resamples=resamples, random=random)
    drifts = tuple(_column_drift(column, before[column], now[column]) for column in columns)
    effects = [drift.effect for drift in drifts]
    largest = None if None in effects else max(effect for effect in effects if effect is not None)
    return GroupDrift(name, found.p_value, None, False, "Wasserstein", largest, drifts)


def _column_drift(name: str, before: NDArray[np.float64], now: NDArray[np.float64]) -> ColumnDrift:
    effect = standardised_wasserstein(before, now)
    medians = float(np.median(before)), float(np.median(now))
    return ColumnDrift(name, *medians, effect if np.isfinite(effect) else None)


def _classes_group(
    reference: Observations, window: Observations, resamples: int, random: np.random.Generator
) -> GroupDrift:
    statistic = ClassFrequencies(np.concatenate([reference.predicted, window.predicted]))
    found = resampled_p(statistic, _is_window(len(reference), len(window)), resamples=resamples, random=random)
    counts = [np.bincount(part.predicted, minlength=len(part.classes)) for part in (reference, window)]
    distance = jensen_shannon(counts[0].astype(np.float64), counts[1].astype(np.float64))
    return GroupDrift(CLASSES, found.p_value, None, False, "Jensen-Shannon", distance)


def _features_group(
    reference: Observations, window: Observations, resamples: int, min_photos: int, random: np.random.Generator
) -> GroupDrift:
    before, now = (part.features[part.with_features] for part in (reference, window))
    untested = _why_features_cannot_be_compared(len(before), len(now), min_photos)
    if untested:
        return GroupDrift(FEATURES, None, None, False, "AUC", None, untested=untested)
    statistic = DomainClassifier(np.concatenate([before, now]), random)
    found = resampled_p(statistic, _is_window(len(before), len(now)), resamples=resamples, random=random)
    return GroupDrift(FEATURES, found.p_value, None, False, "AUC", found.observed)


def _why_features_cannot_be_compared(before: int, now: int, min_photos: int) -> str:
    if not before:
        return "the network of this model hands out no features"
    if now < min_photos:
        return f"features are known of {now:,} photos of the window, and {min_photos:,} are needed"
    return ""


def _is_window(before: int, now: int) -> NDArray[np.bool_]:
    """Marks the window's photos behind those of the reference."""
    return np.arange(before + now) >= before
