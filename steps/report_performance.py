"""Write the page of what people said of a model's answers in production."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.performance.report import PerformanceReport
from steps.context import report_folder


@step
def report_performance(report: PerformanceReport) -> Annotated[HTMLString, "performance_report"]:
    """Write ``performance.html`` into the folder of the run.

    Args:
        report: of the model.

    Returns:
        The page.
    """
    from quality_gate.reports.performance_page import performance_page

    page = performance_page(report)
    (report_folder(report.gate) / "performance.html").write_text(page, encoding="utf-8")
    return HTMLString(page)
