"""Photos without files: a split whose snapshot is a dictionary."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from quality_gate.data.image_facts import audit_bytes
from quality_gate.data.photo_set import PhotoSet
from quality_gate.progress import Progress

CLASSES = ("onion", "potato", "tomato")


@dataclass(frozen=True)
class PhotosInMemory:
    """As much of a snapshot as a split needs."""

    by_id: dict[str, bytes]

    def photos(self, image_ids: Sequence[str]) -> Iterator[bytes]:
        return (self.by_id[image_id] for image_id in image_ids)

    @property
    def table(self) -> pd.DataFrame:
        rows = [audit_bytes(data)._asdict() | {"image_id": name} for name, data in self.by_id.items()]
        return pd.DataFrame(rows)


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.moves: dict[str, list[tuple[int, int]]] = {}

    def progress(self, task: str) -> Progress:
        moves = self.moves[task] = []
        return lambda done, total: moves.append((done, total))

    def say(self, line: str) -> None:
        raise AssertionError(line)


@pytest.fixture
def reporter() -> Notes:
    return Notes()


@pytest.fixture(scope="session")
def make_photos() -> Callable[..., PhotoSet]:
    """Makes a split of as many different photos, of alternating classes, as it is asked for."""
    return _make_photos


def _make_photos(
    count: int = 6, *, seed: int = 0, groups: Sequence[int] | None = None, labels: NDArray[np.int64] | None = None
) -> PhotoSet:
    names = tuple(f"photo {seed} {number}" for number in range(count))
    photos = {name: _photo([seed, number]) for number, name in enumerate(names)}
    return PhotoSet(
        snapshot=PhotosInMemory(photos),  # type: ignore[arg-type]
        image_ids=names,
        paths=tuple(f"{name}.png" for name in names),
        classes=CLASSES,
        labels=np.arange(count) % len(CLASSES) if labels is None else labels,
        groups=np.arange(count) if groups is None else np.array(groups),
    )


def _photo(seed: list[int]) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((40, 36), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
