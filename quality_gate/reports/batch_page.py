"""The page of a batch: how many photos were accepted, go to review, or are bad; by class; how sure the answers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from quality_gate.preprocess import UnreadableImage
from quality_gate.reports.confidence_chart import confidence_figure
from quality_gate.reports.figures import CONFIDENCE_BINS
from quality_gate.reports.rendering import photo, picture, render

if TYPE_CHECKING:
    from quality_gate.prediction.batch import Batch
    from quality_gate.prediction.record import Record
    from quality_gate.prediction.summary import BatchSummary

THUMBNAIL_EDGE = 160
LISTED_BAD_FILES = 100

# Given the path of a photo, its bytes; None where it is gone.
ReadPhoto = Callable[[str], bytes | None]


@dataclass(frozen=True)
class ShownPhoto:
    """A photo that goes to review, with its thumbnail as data URI."""

    path: str
    label: str
    confidence: float
    thumbnail: str


def batch_page(
    batch: Batch,
    summary: BatchSummary,
    record: Record,
    read: ReadPhoto,
    *,
    review_photos: int,
    max_unreadable_share: float,
) -> str:
    """The page.

    Args:
        batch: the batch.
        summary: its numbers.
        record: of the run.
        read: reads a photo by its path.
        review_photos: photos that are shown of those that go to review.
        max_unreadable_share: what the settings allow.

    Returns:
        Static HTML.
    """
    return render(
        "batch.html.j2",
        batch=batch,
        summary=summary,
        accepted=sum(summary.accepted.values()),
        review=sum(summary.review.values()),
        before=max(0, summary.answered - batch.new),
        too_many_bad=summary.bad_share > max_unreadable_share,
        max_unreadable_share=max_unreadable_share,
        histogram=picture(confidence_figure(record.histogram(CONFIDENCE_BINS))) if summary.answered else None,
        shown=list(islice(_shown(record, read), review_photos)),
        bad=list(islice(record.bad(), LISTED_BAD_FILES)),
    )


def _shown(record: Record, read: ReadPhoto) -> Iterator[ShownPhoto]:
    for recorded in record.to_review():
        data, given = read(recorded.path), recorded.prediction
        assert given is not None
        if data is None:
            continue
        try:
            thumbnail = photo(data, THUMBNAIL_EDGE)
        except UnreadableImage:
            # Replaced since it was answered.
            continue
        yield ShownPhoto(recorded.path, given.label, given.confidence, thumbnail)
