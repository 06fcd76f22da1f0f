"""Circles stand at the sizes of the photos, as large as their number."""

import numpy as np
import pandas as pd

from quality_gate.reports.size_chart import CELLS, size_chart


def test_photos_of_one_size_are_one_circle_and_the_largest_circles_lie_below() -> None:
    sizes = pd.DataFrame({"width": [800.0] * 4 + [200.0], "height": [400.0] * 4 + [200.0]})
    large, small = size_chart(sizes).circles
    assert (large.photos, small.photos) == (4, 1)
    assert large.radius == 2 * small.radius
    assert large.x > large.y > small.x == small.y


def test_any_number_of_sizes_makes_a_limited_number_of_circles_and_loses_no_photo() -> None:
    random = np.random.default_rng(0)
    sizes = pd.DataFrame(random.integers(100, 5000, (20_000, 2)).astype(float), columns=["width", "height"])
    circles = size_chart(sizes).circles
    assert len(circles) <= CELLS**2
    assert sum(circle.photos for circle in circles) == 20_000


def test_without_photos_there_is_no_circle() -> None:
    assert size_chart(pd.DataFrame({"width": [], "height": []}, dtype=float)).circles == ()
