"""Divide the photos into train, validation, calibration and test."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.settings import SplitSettings
from steps.context import experiment_run, report_folder


@step(name="split")
def split_photos(
    name: str,
    snapshot: Snapshot,
    settings: SplitSettings,
    min_photos: int,
    seed: int,
    watched: str | None = None,
) -> tuple[Annotated[SplitResult, "split"], Annotated[HTMLString, "split_report"]]:
    """Divide whole duplicate groups, stratified by class; a given test folder stays the test set.

    The page lists every file that is in no split, with its reason.

    Raises:
        UserError: a class has too few photos to be in every split, or the one to be watched is none of them: known
            here, not when the model is trained.
    """
    from quality_gate.data.split import split
    from quality_gate.evaluation.watched import require_class
    from quality_gate.progress import ConsoleReporter
    from quality_gate.reports.data_pages import data_page

    result = split(snapshot.table, settings, seed, min_photos)
    if watched is not None:
        require_class(watched, sorted(set(result.table["label"]) - {""}))
    for line in result.summary():
        ConsoleReporter().say(f"split: {line}")
    experiment_run(name).log_tags({"split_digest": result.digest})
    page = data_page(
        result.table,
        name=name,
        digest=snapshot.digest,
        source=snapshot.source,
        photos=snapshot.photos,
        reasons=dict(zip(result.left_out["path"], result.left_out["reason"], strict=True)),
    )
    (report_folder(name) / "split.html").write_text(page, encoding="utf-8")
    return result, HTMLString(page)
