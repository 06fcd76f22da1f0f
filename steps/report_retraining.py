"""Say what the reviewed photos of the operation changed, before the gate judges the candidate."""

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.measured import Measured
from steps.context import report_folder


@step
def report_retraining(
    name: str,
    measured: Measured,
    snapshot: Snapshot,
    split: SplitResult,
    said: list[str],
    held_back: dict[str, dict[str, str]],
    mistaken: list[str],
    copies: int,
) -> Annotated[HTMLString, "retraining_report"]:
    """Write the page about the reviewed photos.

    Args:
        name: the gate.
        measured: candidate and champion on both test sets.
        snapshot: the photos.
        split: how they are divided.
        said: what is known of the reviewed photos, a line each.
        held_back: labels by reviewer of the photos on which reviewers disagree, by SHA-256.
        mistaken: SHA-256 of the reviewed photos that the model had answered wrongly.
        copies: how often each of them that is learnt from counted.
    """
    from quality_gate.data.photo_set import photo_sets
    from quality_gate.data_settings import REVIEWED
    from quality_gate.reports.retraining_page import retraining_page

    page = retraining_page(
        measured,
        photo_sets(snapshot, split.table).rolling_test,
        split.table,
        # Before the split only: a class may be called as their folder is.
        set(snapshot.table.loc[snapshot.table["split"] == REVIEWED, "path"]),
        name=name,
        said=said,
        held_back=held_back,
        mistaken=mistaken,
        copies=copies,
    )
    (report_folder(name) / "retraining.html").write_text(page, encoding="utf-8")
    return HTMLString(page)
