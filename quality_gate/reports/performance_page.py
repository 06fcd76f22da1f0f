"""The page of a model in production: what reviewed answers say of all answers, by week and by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.evaluation.wording import interval_text, number
from quality_gate.reports.evaluation_plots import Plot
from quality_gate.reports.performance_figures import confidence_bins_figure, evidence_figure, weeks_figure
from quality_gate.reports.rendering import picture, render

if TYPE_CHECKING:
    from quality_gate.performance.estimates import Estimate
    from quality_gate.performance.report import PerformanceReport

SCORES_IN_WORDS = {
    "ece": "Calibration error (ECE)",
    "brier": "Brier score, multi-class",
    "brier_top1": "Brier score, top answer",
}


@dataclass(frozen=True)
class Verdict:
    """The sentence at the top: its status as of the templates, what is so, what to do, and the word in the badge."""

    status: str
    headline: str
    detail: str
    label: str | None = None


def performance_page(report: PerformanceReport) -> str:
    """The page.

    Returns:
        Static HTML.
    """
    errors = report.accepted_errors
    return render(
        "performance.html.j2",
        report=report,
        verdict=verdict(report),
        weeks_plot=_weeks_plot(report),
        evidence_plot=_evidence_plot(report),
        confidence_plot=_confidence_plot(report),
        alpha=errors.alpha if errors else None,
        names=SCORES_IN_WORDS,
        number=number,
        interval=interval_text,
        share=_share,
        figure=_figure,
    )


def verdict(report: PerformanceReport) -> Verdict:
    """Whether the model keeps in production what it promised."""
    whole, errors = report.whole, report.accepted_errors
    if whole is None:
        return Verdict("none", "The model has not answered yet.", "", "no data")
    if report.promise_is_broken and errors is not None:
        detail = (
            f"At most {errors.alpha:.3g} of them may be. The alarm was raised after {errors.raised_after} audited "
            "answers; as long as the promise is kept, it is ever raised with a chance of at most "
            f"{errors.false_alarm_rate:.3g}. Send more to review (?threshold=), and retrain."
        )
        return Verdict("fail", "Accepted answers are more often wrong than the certificate promised.", detail, "alarm")
    if whole.missing:
        missing = whole.missing.removeprefix("not enough data: ")
        reason = f"{missing[0].upper()}{missing[1:]}."
        return Verdict("none", "Nothing can be said yet of all answers.", reason, "not enough data")
    worse = [SCORES_IN_WORDS[row.score] for row in report.calibration if row.is_worse]
    if worse:
        return Verdict(
            "warn", "Answers and their confidence are worse than on the test photos.", f"{', '.join(worse)}."
        )
    if errors is None:
        return Verdict("none", "The model promised nothing: every answer goes to review.", "", "no certificate")
    return Verdict("pass", "Nothing speaks against the promise of the certificate.", "", "no alarm")


def _share(figure: Estimate | None) -> str:
    """A share with its interval, in percent."""
    if figure is None:
        return "–"
    low, high = figure.interval.low, figure.interval.high
    return f"{100 * figure.value:.1f}% ({100 * low:.1f} to {100 * high:.1f})"


def _figure(figure: Estimate | None) -> str:
    """A score with its interval."""
    return "–" if figure is None else f"{number(figure.value)} ({interval_text(figure.interval)})"


def _weeks_plot(report: PerformanceReport) -> Plot | None:
    known = [week for week in report.weeks if week.scores or week.accepted_error]
    if not known:
        return None
    errors = report.accepted_errors
    each = "; ".join(f"{week.start}: {_share(week.scores.get('accuracy'))}" for week in known)
    alt = f"Weekly figures with their intervals. Accuracy {each}."
    return Plot(picture(weeks_figure(report.weeks, errors.alpha if errors else None)), alt)


def _evidence_plot(report: PerformanceReport) -> Plot | None:
    errors = report.accepted_errors
    if errors is None or not len(errors.wrong):
        return None
    said = f"raised after {errors.raised_after}" if errors.raised_after else "not raised"
    alt = f"Evidence against the promise over {len(errors.wrong)} audited answers, {errors.wrong.sum()} wrong: {said}."
    return Plot(picture(evidence_figure(errors)), alt)


def _confidence_plot(report: PerformanceReport) -> Plot | None:
    if not report.confidence:
        return None
    points = "; ".join(f"{each.right.value:.0%} right at {each.confidence:.0%}" for each in report.confidence)
    return Plot(picture(confidence_bins_figure(report.confidence)), f"Reliability diagram: {points}.")
