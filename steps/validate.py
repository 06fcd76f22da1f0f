"""Hold the data against the suite in ``expectations/``."""

from pathlib import Path
from typing import Annotated

from zenml import save_artifact, step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.errors import UserError
from quality_gate.settings import ValidationSettings
from steps.context import report_folder

SUITE_FOLDER = Path(__file__).resolve().parent.parent / "expectations"


@step
def validate(name: str, snapshot: Snapshot, settings: ValidationSettings) -> Annotated[Snapshot, "valid_snapshot"]:
    """Run the Great Expectations suite over the image table; warnings are reported, errors stop the run.

    The page is kept in both cases: as artifact, and on disk with the Data Docs beside it.

    Raises:
        UserError: an expectation of severity error failed; the message names the first files.
    """
    from quality_gate.data.validation import validate as hold_against_suite
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.data_pages import validation_page

    folder = report_folder(name)
    result = hold_against_suite(snapshot.table, snapshot.classes, settings, SUITE_FOLDER, folder / "data_docs")
    page = validation_page(result, name=name)
    (folder / "validation.html").write_text(page, encoding="utf-8")
    save_artifact(HTMLString(page), name="validation_report")
    if not result.passed:
        raise UserError(f"validate: {result.error_sentence()}")
    for check in result.failed("warning"):
        ConsoleReporter().say(f"validate: warning: {check.summary}")
    return snapshot
