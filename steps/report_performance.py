"""Say how good the champion is in production, by what people said of its answers."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.home import locate
from quality_gate.performance_settings import PerformanceSettings
from steps.context import report_folder


@step
def report_performance(
    settings: PerformanceSettings,
) -> tuple[Annotated[HTMLString, "performance_report"], Annotated[str, "performance_verdict"]]:
    """Read the log and the reviews, and write ``performance.html`` into the folder of the run.

    Returns:
        The page, and the sentence at its top.

    Raises:
        UserError: there is no champion, the prediction log cannot be used, or a label is no class.
    """
    from quality_gate.performance.gathering import champion_report
    from quality_gate.prediction.champion import champion_of
    from quality_gate.reports.performance_page import performance_page, verdict

    report = champion_report(champion_of(locate(), settings.name), settings)
    page = performance_page(report)
    (report_folder(report.gate) / "performance.html").write_text(page, encoding="utf-8")
    said = verdict(report)
    return HTMLString(page), f"{said.headline} {said.detail}".strip()
