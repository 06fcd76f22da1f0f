"""Photos unlike the rest of their class in light, colour, sharpness, size or shape: wrong labels and bad photos first.

Each trait of a photo is compared with its class by a robust z-score, ``(value − median) / spread``. The spread is
1.4826 × MAD, the median absolute deviation scaled to the standard deviation of a normal distribution (Iglewicz and
Hoaglin 1993, whose threshold of 3.5 is used). Two things widen it: a second kind of photos in the class, such as a
tenth of them taken upright, is no outlier, so the spread is at least that of a normal distribution with the same
middle 90%; and a difference nobody would see is none, so it is at least the trait's ``floor``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 3.5
# Below ten photos neither the MAD nor the middle 90% says anything.
SMALLEST_CLASS = 10

MAD_TO_DEVIATION = 1.4826
MIDDLE_90_IN_DEVIATIONS = 3.29


@dataclass(frozen=True)
class Trait:
    """What photos of a class have in common.

    Attributes:
        name: its column in :func:`traits`.
        less: what a photo far below its class is.
        more: what a photo far above its class is.
        floor: smallest spread, in the unit of :func:`traits`.
    """

    name: str
    less: str
    more: str
    floor: float


TRAITS: tuple[Trait, ...] = (
    Trait("brightness", "darker", "brighter", 0.02),
    Trait("contrast", "flatter", "harder in contrast", 0.02),
    Trait("sharpness", "blurred or plain", "sharper or busier", 0.2),
    Trait("size", "smaller", "larger", 0.1),
    Trait("shape", "squarer", "longer", 0.03),
    Trait("warmth", "bluer", "redder or yellower", 0.02),
    Trait("greenness", "less green", "greener", 0.01),
)


def traits(table: pd.DataFrame) -> pd.DataFrame:
    """The traits of readable photos, in units in which equal steps look about equal.

    Args:
        table: rows of an image table.

    Returns:
        A column a trait, indexed like the table: ``brightness`` and ``contrast`` as in the table; logarithms of
        ``sharpness``, of ``size`` (edge of the square with as many pixels) and of ``shape`` (longer by shorter edge,
        so that upright and lying photos are alike); ``warmth``, red minus blue, and ``greenness``, green, both as
        shares of the sum of the channels.
    """
    import pandas as pd

    # A black photo has no colour; it counts as grey.
    channels = table[["red_mean", "green_mean", "blue_mean"]] + 0.01
    shares = channels.div(channels.sum(axis=1), axis=0)
    return pd.DataFrame(
        {
            "brightness": table["brightness"],
            "contrast": table["contrast"],
            "sharpness": np.log(table["sharpness"].clip(lower=1)),
            "size": np.log(table["width"] * table["height"]) / 2,
            "shape": np.log(table["aspect_ratio"]).abs(),
            "warmth": shares["red_mean"] - shares["blue_mean"],
            "greenness": shares["green_mean"],
        }
    )


def find_outliers(table: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Find the photos that differ from their class.

    Args:
        table: readable rows of an image table; classes of fewer than ten photos are not judged.
        threshold: smallest distance of an outlier, in spreads of its class, above 0.

    Returns:
        A row for each photo and trait, the farthest first: ``path``, ``image_id``, ``label``, ``trait``, ``value`` and
        ``median`` (of the class) in the unit of :func:`traits`, and ``score``, the z-score with its sign.
    """
    import pandas as pd

    judged = table[table.groupby("label")["label"].transform("size") >= SMALLEST_CLASS]
    values, labels = traits(judged), judged["label"]
    medians = values.groupby(labels).transform("median")
    scores = ((values - medians) / _spread(values, medians, labels)).to_numpy()
    rows, columns = np.nonzero(np.abs(scores) >= threshold)
    found = pd.DataFrame(
        {
            **{name: judged[name].to_numpy()[rows] for name in ("path", "image_id", "label")},
            "trait": values.columns.to_numpy()[columns],
            "value": values.to_numpy()[rows, columns],
            "median": medians.to_numpy()[rows, columns],
            "score": scores[rows, columns],
        }
    )
    return found.sort_values(["score", "path"], key=lambda c: -c.abs() if c.name == "score" else c, ignore_index=True)


def _spread(values: pd.DataFrame, medians: pd.DataFrame, labels: pd.Series[str]) -> pd.DataFrame:
    """The spread of each photo's class, of the shape of ``values``."""
    import pandas as pd

    mad = (values - medians).abs().groupby(labels).median()
    by_class = values.groupby(labels)
    # Rounded inwards, so that in a small class the farthest photo does not widen the range it is judged by.
    high = by_class.quantile(0.95, interpolation="lower")
    low = by_class.quantile(0.05, interpolation="higher")
    of_range = (high - low) / MIDDLE_90_IN_DEVIATIONS
    spread = (MAD_TO_DEVIATION * mad).where(lambda wide: wide > of_range, of_range)
    floors = {trait.name: trait.floor for trait in TRAITS}
    return spread.clip(lower=pd.Series(floors), axis=1).reindex(labels).set_axis(values.index)
