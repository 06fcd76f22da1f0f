"""Width against height of all photos, as circles whose area is the number of photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quality_gate.reports.axes import Axis, log_axis

if TYPE_CHECKING:
    import pandas as pd

CELLS = 32


@dataclass(frozen=True)
class Circle:
    """Photos of about one size; place and radius are in percent of the axis, ``y`` from the bottom."""

    x: float
    y: float
    radius: float
    photos: int


@dataclass(frozen=True)
class SizeChart:
    """``axis`` is that of width and of height, in pixels."""

    axis: Axis
    circles: tuple[Circle, ...]


def size_chart(photos: pd.DataFrame) -> SizeChart:
    """Count photos of about one width and height together: at most 1,024 circles whatever their number.

    Args:
        photos: readable rows of the image table.
    """
    import pandas as pd

    axis = log_axis(pd.concat([photos["width"], photos["height"]]))
    places = pd.DataFrame({name: axis.places(photos[name].to_numpy()) for name in ("width", "height")}, photos.index)
    cells = np.minimum(places * CELLS // 100, CELLS - 1)
    together = places.groupby([cells["width"], cells["height"]])
    middles, counts = together.mean().to_numpy(), together.size().to_numpy()
    largest = counts.max(initial=1)
    # The rarest sizes are the ones looked for; they stay visible.
    radii = np.maximum(0.6, 6 * np.sqrt(counts / largest))
    circles = [
        Circle(round(float(x), 1), round(float(y), 1), round(float(radius), 1), int(count))
        for (x, y), radius, count in zip(middles, radii, counts, strict=True)
    ]
    return SizeChart(axis, tuple(sorted(circles, key=lambda circle: -circle.radius)))
