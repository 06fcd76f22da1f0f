"""Write the result of a batch and its page."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.batch_settings import BatchSettings
from quality_gate.home import locate
from quality_gate.prediction.batch import Batch
from steps.context import run_name


@step
def report_batch(batch: Batch, settings: BatchSettings) -> Annotated[HTMLString, "batch_report"]:
    """Write ``result.csv``, ``result.parquet``, ``quarantine.csv`` and ``batch.html`` into the folder of the run.

    Args:
        batch: answered and logged; its photos are still where they were.
        settings: of the run.

    Returns:
        The page.
    """
    from quality_gate.prediction.result import write_results
    from quality_gate.prediction.summary import BatchSummary
    from quality_gate.reports.batch_page import batch_page

    home = locate()
    folder = home.batches(batch.gate) / run_name()
    with batch.open_record() as record:
        write_results(record, batch.classes, batch.model_version, folder)
        page = batch_page(
            batch,
            BatchSummary.of(record),
            record,
            batch.reader(home),
            review_photos=settings.review_photos,
            max_unreadable_share=settings.max_unreadable_share,
        )
    (folder / "batch.html").write_text(page, encoding="utf-8")
    return HTMLString(page)
