"""The page about labels that are probably wrong, for a person who is to correct them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.reports.rendering import photo, render

if TYPE_CHECKING:
    from quality_gate.training.suspects import Suspects

SHOWN_LEARNING = 60
SHOWN_HELD_OUT = 24
SHOWN_CONFLICTS = 12
SHOWN_TWINS = 12
SHOWN_PAIRS = 30
THUMBNAIL_EDGE = 200


@dataclass(frozen=True)
class _Pair:
    """Photos of one label that are another class: how many are estimated, and how many are suspected."""

    label: str
    looks_like: str
    estimated: float
    learning: int
    held_out: int


def shown_photos(suspects: Suspects) -> list[str]:
    """Paths of the photos that the page shows."""
    learning = suspects.table["place"] > 0
    paths = [
        *suspects.table.loc[learning, "path"][:SHOWN_LEARNING],
        *suspects.table.loc[~learning, "path"][:SHOWN_HELD_OUT],
        *(path for group in suspects.conflicts[:SHOWN_CONFLICTS] for path, _ in group[:SHOWN_TWINS]),
    ]
    return list(dict.fromkeys(paths))


def suspects_csv(suspects: Suspects) -> str:
    """All suspects as a table of comma-separated values, with a line of column names."""
    text: str = suspects.table.round(4).to_csv(index=False, lineterminator="\n")
    return text


def suspects_page(suspects: Suspects, *, name: str, exclude: int, thumbnails: Mapping[str, bytes]) -> str:
    """The page: how many labels look wrong, between which classes, what to do, and the photos.

    Args:
        suspects: what was found.
        name: of the gate.
        exclude: how many suspects the settings leave out; 0 leaves out none.
        thumbnails: encoded photos by path, at least those of :func:`shown_photos`.

    Returns:
        Static HTML.

    Raises:
        UnreadableImage: a thumbnail is no photo.
    """
    learning = suspects.table["place"] > 0
    pairs = _pairs(suspects)
    return render(
        "suspects.html.j2",
        name=name,
        learning=suspects.table[learning].to_dict("records"),
        held_out=suspects.table[~learning].to_dict("records"),
        sources={path: photo(data, THUMBNAIL_EDGE) for path, data in thumbnails.items()},
        photos=suspects.photos,
        estimated=sum(pair.estimated for pair in pairs),
        agreement=suspects.agreement,
        pairs=pairs,
        conflicts=suspects.conflicts[:SHOWN_CONFLICTS],
        all_conflicts=len(suspects.conflicts),
        asked=exclude,
        excluded=min(exclude, suspects.excludable),
        shown_learning=SHOWN_LEARNING,
        shown_held_out=SHOWN_HELD_OUT,
        shown_pairs=SHOWN_PAIRS,
        shown_twins=SHOWN_TWINS,
    )


def _pairs(suspects: Suspects) -> list[_Pair]:
    """Pairs of classes with an estimated error or a suspect, the most estimated first."""
    table = suspects.table
    counts = table.groupby(["label", "looks_like", table["place"] > 0]).size().to_dict()
    pairs = [
        _Pair(
            label,
            real,
            float(suspects.joint[row, column]),
            int(counts.get((label, real, True), 0)),
            int(counts.get((label, real, False), 0)),
        )
        for row, label in enumerate(suspects.classes)
        for column, real in enumerate(suspects.classes)
        if row != column
    ]
    found = [pair for pair in pairs if pair.estimated or pair.learning or pair.held_out]
    return sorted(
        found, key=lambda pair: (-pair.estimated, -pair.learning - pair.held_out, pair.label, pair.looks_like)
    )
