"""Write what came of a drift run: its page, its figures, and Evidently's report."""

import json
from pathlib import Path
from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.drift.report import DriftReport
from quality_gate.drift.window import ObservedWindow
from quality_gate.drift_settings import DriftSettings
from quality_gate.home import locate
from steps.context import run_name

SUITE_FOLDER = Path(__file__).resolve().parent.parent / "expectations"


@step
def report_drift(
    window: ObservedWindow, report: DriftReport, settings: DriftSettings
) -> Annotated[HTMLString, "drift_report"]:
    """Write ``drift.html``, ``drift.json`` and, of enough photos, ``evidently.html`` with a run in its workspace.

    Args:
        window: the photos.
        report: what came of the comparison.
        settings: of the run.

    Returns:
        The page.

    Raises:
        UserError: the suite of expectations is missing or misspelt.
    """
    from quality_gate.drift.evidently import write_evidently_report
    from quality_gate.drift.expectations import check_window
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.drift_page import drift_page

    home = locate()
    folder = home.drift(report.gate) / run_name()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "drift.json").write_text(json.dumps(report.to_json(), indent=2), encoding="utf-8")
    checks = None
    if report.verdict != "not_enough_data":
        checks = check_window(window.observations, settings.suite, SUITE_FOLDER, folder / "data_docs")
        for check in checks.checks:
            if not check.passed:
                ConsoleReporter().say(f"drift: {check.severity}: {check.summary}")
        write_evidently_report(window, report.false_alarm_rate, folder / "evidently.html", home.evidently)
    page = drift_page(report, window, checks)
    (folder / "drift.html").write_text(page, encoding="utf-8")
    return HTMLString(page)
