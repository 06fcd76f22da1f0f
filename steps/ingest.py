"""Read the photos and keep them as an immutable dataset version."""

from pathlib import Path
from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.settings import DataSettings
from steps.context import experiment_run, report_folder, temporary_folder


@step
def ingest(
    name: str, settings: DataSettings
) -> tuple[Annotated[Snapshot, "snapshot"], Annotated[HTMLString, "data_report"]]:
    """Audit every photo of the source with one decode and write the snapshot.

    Raises:
        UserError: the source has no photos that can be trained on; the message says what was expected.
    """
    from quality_gate.data.audit import audit
    from quality_gate.data.demo import ensure_demo_photos
    from quality_gate.data.snapshot import write_snapshot
    from quality_gate.data.sources import discover
    from quality_gate.home import locate
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.data_pages import data_page

    reporter = ConsoleReporter()
    folder = ensure_demo_photos(locate().demo_photos, reporter) if settings.is_demo else Path(settings.source)
    source = discover(folder)
    table = audit(source, workers=settings.workers, on_progress=reporter.progress("audit"))
    snapshot = write_snapshot(source, table, temporary_folder() / "snapshot")
    page = data_page(
        table,
        name=name,
        digest=snapshot.digest,
        source=settings.source,
        photos=snapshot.photos,
    )
    (report_folder(name) / "data.html").write_text(page, encoding="utf-8")
    experiment_run(name).log_tags({"data_digest": snapshot.digest, "source": settings.source})
    return snapshot, HTMLString(page)
