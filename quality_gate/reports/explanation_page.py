"""The page of explained photos: each beside maps of what in it led to a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quality_gate.explanation.notes import NOTES
from quality_gate.reports.rendering import photo, render

if TYPE_CHECKING:
    from quality_gate.explanation.photos import ExplainedPhoto

# Pixels: what a network sees is hardly ever larger.
_PICTURE = 320


def explanation_page(photos: Sequence[ExplainedPhoto]) -> str:
    """The page, with all pictures inside.

    Args:
        photos: one or more, with maps of the same methods.

    Returns:
        Static HTML.
    """
    rows = [
        (each, photo(each.seen, _PICTURE), {method: photo(data, _PICTURE) for method, data in each.pictures.items()})
        for each in photos
    ]
    notes = {method: NOTES[method] for method in photos[0].pictures}
    return render("explanation.html.j2", model=photos[0].answer.model_version, rows=rows, notes=notes)
