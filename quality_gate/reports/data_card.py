"""The card of a dataset (Pushkarna et al. 2022, "Data cards"), from measured facts."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.evaluation.wording import number
from quality_gate.reports.markdown import render_markdown

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.data.snapshot import Snapshot
    from quality_gate.data.split import SplitResult
    from quality_gate.settings import SplitSettings

_SPREADS = (
    ("width, pixels", "width"),
    ("height, pixels", "height"),
    ("file size, KB", "file_size_kb"),
    ("brightness", "brightness"),
    ("contrast", "contrast"),
    ("sharpness", "sharpness"),
)


@dataclass(frozen=True)
class Spread:
    """Quantiles (5%, 50%, 95%) of a measure of the photos."""

    name: str
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class DataCard:
    """The facts of a data card.

    Attributes:
        name: of the gate.
        version: of the model that was trained on the data.
        run: the pipeline run.
        source: of the photos.
        classes: labels, sorted.
        files: files of the source.
        readable: those that can be used as a photo.
        different: different photos among these.
        counts: photos by split and class.
        test_was_given: whether the source had a test folder of its own.
        settings: what was divided by.
        seed: what was drawn with.
        left_out: kinds of reasons with the number of files, the most frequent first.
        copies: readable files whose bytes another file has, too, all but one of each.
        groups: groups of near-duplicates.
        shared_groups: those of two photos or more.
        shared_photos: photos in them.
        largest_group: photos in the largest.
        spreads: of the photos in use.
        formats: format and colour mode of the photos in use with their number, the most frequent first.
        digest: of the snapshot.
        split_digest: of the divided data.
    """

    name: str
    version: str
    run: str
    source: str
    classes: tuple[str, ...]
    files: int
    readable: int
    different: int
    counts: dict[str, dict[str, int]]
    test_was_given: bool
    settings: SplitSettings
    seed: int
    left_out: tuple[tuple[str, int], ...]
    copies: int
    groups: int
    shared_groups: int
    shared_photos: int
    largest_group: int
    spreads: tuple[Spread, ...]
    formats: tuple[tuple[str, int], ...]
    digest: str
    split_digest: str

    @property
    def left_out_files(self) -> int:
        """Files in no split."""
        return sum(count for _, count in self.left_out)


def data_card(snapshot: Snapshot, split: SplitResult, *, name: str, version: str, run: str) -> DataCard:
    """Take the facts of a data card from a divided dataset.

    Args:
        snapshot: the photos.
        split: how they were divided.
        name: of the gate.
        version: of the model that was trained on them.
        run: the pipeline run.
    """
    used = split.table[split.table["split"] != ""]
    sizes = Counter(used["group"])
    shared = [size for size in sizes.values() if size > 1]
    kinds = Counter(_kind(reason) for reason in split.left_out["reason"])
    formats = Counter(f"{file}, {mode}" for file, mode in zip(used["format"], used["mode"], strict=True))
    counts = snapshot.counts
    return DataCard(
        name=name,
        version=version,
        run=run,
        source=snapshot.source,
        classes=tuple(sorted(snapshot.classes)),
        files=counts["files"],
        readable=counts["readable"],
        different=counts["photos"],
        counts=split.counts(),
        test_was_given=split.test_was_given,
        settings=split.settings,
        seed=split.seed,
        left_out=tuple(kinds.most_common()),
        copies=counts["readable"] - counts["photos"],
        groups=len(sizes),
        shared_groups=len(shared),
        shared_photos=sum(shared),
        largest_group=max(sizes.values()),
        spreads=tuple(_spread(name, used[column]) for name, column in _SPREADS),
        formats=tuple(formats.most_common()),
        digest=snapshot.digest,
        split_digest=split.digest,
    )


def data_card_markdown(card: DataCard) -> str:
    """The card of a dataset, in Markdown."""
    return render_markdown(
        "data_card.md.j2",
        card=card,
        classes=", ".join(card.classes),
        photos=sum(sum(counts.values()) for counts in card.counts.values()),
        number=number,
    )


def _kind(reason: str) -> str:
    """A reason without what differs from file to file: 'leak: near-duplicate of …' is a leak."""
    return re.split(r"[:;(]", reason)[0].strip() or "not readable"


def _spread(name: str, values: pd.Series) -> Spread:
    low, median, high = (float(value) for value in values.quantile([0.05, 0.5, 0.95]))
    return Spread(name, low, median, high)
