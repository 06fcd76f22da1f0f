"""The judgement on a window: an alarm, none, or not enough data to say either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_gate.drift.detection import compare
from quality_gate.drift.report import DriftReport, GroupDrift, Verdict

if TYPE_CHECKING:
    from quality_gate.drift.window import ObservedWindow
    from quality_gate.drift_settings import DriftSettings


def judge(window: ObservedWindow, settings: DriftSettings) -> DriftReport:
    """Hold a window against the reference of its model.

    Args:
        window: from the prediction log.
        settings: of the run.
    """
    groups: tuple[GroupDrift, ...] = ()
    verdict: Verdict = "not_enough_data"
    if len(window.observations) >= settings.min_photos:
        groups = compare(
            window.reference,
            window.observations,
            false_alarm_rate=settings.false_alarm_rate,
            resamples=settings.resamples,
            min_photos=settings.min_photos,
            seed=settings.seed,
        )
        verdict = "alarm" if any(group.drifted for group in groups) else "no_alarm"
    return DriftReport(
        gate=window.gate,
        model_version=window.model_version,
        verdict=verdict,
        sentence=_sentence(verdict, groups, window, settings),
        photos=len(window.observations),
        reference_photos=len(window.reference),
        min_photos=settings.min_photos,
        false_alarm_rate=settings.false_alarm_rate,
        first=window.first,
        last=window.last,
        left_out=dict(window.left_out),
        groups=groups,
    )


def left_out_sentence(window: ObservedWindow) -> str:
    """Which photos of the window other versions answered; '' where there are none."""
    if not window.left_out:
        return ""
    parts = [
        f"{count:,} of version {version}" + (", which the ledger does not know" * (version in window.unknown_versions))
        for version, count in window.left_out.items()
    ]
    return f"Left out are answers that {window.gate}:{window.model_version} did not give: {'; '.join(parts)}."


def _sentence(verdict: Verdict, groups: tuple[GroupDrift, ...], window: ObservedWindow, settings: DriftSettings) -> str:
    model, photos = f"{window.gate}:{window.model_version}", len(window.observations)
    if verdict == "not_enough_data":
        found = f"{photos:,} answers" if photos != 1 else "1 answer"
        known = f"the prediction log holds {found if photos else 'no answer'} of {model}{_when(settings)}"
        return f"Not enough data: {known}, and {settings.min_photos:,} are needed (min_photos)."
    compared = f"{photos:,} photos against {len(window.reference):,} of the reference of {model}"
    if verdict == "alarm":
        named = _listed([group.name for group in groups if group.drifted])
        return f"ALARM: the photos have drifted in {named} ({compared})."
    rate = f"windows without drift ring in at most {100 * settings.false_alarm_rate:.3g}% of all cases"
    return f"No drift is seen ({compared}; {rate})."


def _when(settings: DriftSettings) -> str:
    until = "" if settings.until is None else f" before {settings.until}"
    return until if settings.hours is None else f" of the last {settings.hours:g} hours{until}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
