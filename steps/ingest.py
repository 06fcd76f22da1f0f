"""Read the photos and keep them as an immutable dataset version."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data_settings import DEMO, DataSettings
from steps.context import experiment_run, report_folder


@step
def ingest(
    name: str, settings: DataSettings
) -> tuple[Annotated[Snapshot, "snapshot"], Annotated[HTMLString, "data_report"]]:
    """Audit every photo of the source that is new with one decode, and write the snapshot.

    Raises:
        UserError: the source has no photos that can be trained on; the message says what was expected.
    """
    from quality_gate.data.demo import ensure_demo_photos
    from quality_gate.data.ingest import take_snapshot
    from quality_gate.data.sources import discover
    from quality_gate.home import locate
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.data_pages import data_page
    from quality_gate.working_folder import working_folder

    reporter, home = ConsoleReporter(), locate()
    places = [
        str(ensure_demo_photos(home.demo_photos, reporter)) if place == DEMO else place for place in settings.sources
    ]
    ingested = take_snapshot(
        discover(places, settings),
        working_folder(home.working) / "snapshot",
        stores=home.ingested,
        workers=settings.workers,
        processes=settings.processes,
        on_progress=reporter.progress("audit"),
    )
    snapshot = ingested.snapshot
    reporter.say(f"ingest: {ingested.new:,} of {ingested.files:,} photos are new")
    if snapshot.left_out:
        reporter.say(
            f"ingest: {len(snapshot.left_out):,} files are left out by the settings of data; data.html lists them"
        )
    page = data_page(
        snapshot.listing,
        name=name,
        digest=snapshot.digest,
        source=", ".join(settings.sources),
        photos=snapshot.photos,
    )
    (report_folder(name) / "data.html").write_text(page, encoding="utf-8")
    experiment_run(name).log_tags({"data_digest": snapshot.digest, "source": ", ".join(settings.sources)})
    return snapshot, HTMLString(page)
