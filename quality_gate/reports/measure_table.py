"""The measures of a dataset as numbers: where each lies, how skewed it is, and how the classes differ in light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality_gate.evaluation.wording import number

if TYPE_CHECKING:
    import pandas as pd

# Column of the image table, its name for people, its unit.
_MEASURES = (
    ("width", "Width", "pixels"),
    ("height", "Height", "pixels"),
    ("megapixels", "Size", "megapixels"),
    ("aspect_ratio", "Aspect ratio", ""),
    ("file_size_kb", "File size", "KB"),
    ("brightness", "Brightness", ""),
    ("contrast", "Contrast", ""),
    ("sharpness", "Sharpness", ""),
)
LIGHT = ("brightness", "contrast", "red_mean", "green_mean", "blue_mean")


@dataclass(frozen=True)
class MeasureRow:
    """A measure over all photos, in words.

    Attributes:
        name: for people.
        unit: of the figures; '' where they have none.
        missing: photos without a value.
        figures: mean, standard deviation, least, median, greatest, skewness.
    """

    name: str
    unit: str
    missing: int
    figures: tuple[str, ...]


@dataclass(frozen=True)
class LightRow:
    """Means of the light of a class, in the order of :data:`LIGHT`."""

    label: str
    means: tuple[str, ...]


def measure_rows(photos: pd.DataFrame) -> tuple[MeasureRow, ...]:
    """Every measure of readable photos; those of which there is no value have dashes.

    The skewness is the adjusted Fisher–Pearson coefficient: 0 where both tails are alike, above 1 where a few photos
    lie far above the others.
    """
    measured = photos.assign(megapixels=photos["width"] * photos["height"] / 1e6)
    return tuple(_rows(measured))


def _rows(measured: pd.DataFrame) -> Iterator[MeasureRow]:
    for column, name, unit in _MEASURES:
        values = measured[column].astype(float)
        figures = values.agg(["mean", "std", "min", "median", "max", "skew"]).tolist()
        yield MeasureRow(name, unit, int(values.isna().sum()), tuple(number(figure) for figure in figures))


def light_means(photos: pd.DataFrame) -> tuple[LightRow, ...]:
    """Mean brightness, contrast and colour of each class."""
    means = photos.groupby("label")[list(LIGHT)].mean()
    rows = zip(means.index, means.to_numpy().tolist(), strict=True)
    return tuple(LightRow(str(label), tuple(number(mean) for mean in row)) for label, row in rows)
