"""Violins, colours and histograms show where the photos lie."""

import re

import numpy as np
import pandas as pd
import pytest

from quality_gate.reports.spreads import (
    DRAWN_CLASSES,
    SWATCHES,
    class_colours,
    class_spreads,
    histograms,
    light_measures,
    size_measures,
)


def photos_of(**columns: object) -> pd.DataFrame:
    photos = {
        "label": "ok", "width": 640.0, "height": 480.0, "aspect_ratio": 4 / 3, "file_size_kb": 50.0, "brightness": 0.5,
        "contrast": 0.2, "sharpness": 300.0, "red_mean": 0.5, "green_mean": 0.5, "blue_mean": 0.5,
    }  # fmt: skip
    count = max(len(values) for values in columns.values() if isinstance(values, list | np.ndarray))
    return pd.DataFrame(photos | columns, index=range(count))


def points(outline: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", outline)]


def test_the_bar_and_the_stroke_of_a_violin_stand_at_the_quartiles() -> None:
    photos = photos_of(brightness=[0.0, 0.1, 0.2, 0.3, 0.4, 1.0], label=["dark"] * 5 + ["white"])
    dark = class_spreads(photos["label"], light_measures(photos))[0].violins[0]
    assert (dark.lower, dark.middle, dark.upper, dark.median) == (10, 20, 30, "0.20")


def test_a_violin_is_widest_where_most_photos_of_its_class_are() -> None:
    photos = photos_of(brightness=[0.1] * 8 + [0.3] + [0.9], label=["dark"] * 9 + ["white"])
    axis = light_measures(photos)[0].axis
    violins = [row.violins[0] for row in class_spreads(photos["label"], light_measures(photos))]
    for violin, value in zip(violins, (0.1, 0.9), strict=True):
        x, _ = min(points(violin.outline), key=lambda point: point[1])
        assert x == pytest.approx(float(axis.places(np.array([value]))[0]), abs=2.5)
        assert max(y for _, y in points(violin.outline)) == 23


def test_rows_are_in_the_order_of_names_and_no_more_than_can_be_read() -> None:
    photos = photos_of(label=[f"class {n:03}" for n in range(DRAWN_CLASSES + 5)][::-1])
    rows = class_spreads(photos["label"], light_measures(photos))
    assert [row.label for row in rows] == [f"class {n:03}" for n in range(DRAWN_CLASSES)]
    assert len(class_colours(photos)) == DRAWN_CLASSES


def test_the_share_that_the_class_explains_is_one_where_it_decides_and_none_where_it_does_not() -> None:
    photos = photos_of(
        label=["a", "a", "b", "b"], brightness=[0.2, 0.2, 0.6, 0.6], contrast=[0.1, 0.3, 0.1, 0.3], sharpness=[9] * 4
    )
    assert [measure.explained for measure in light_measures(photos)] == pytest.approx([1, 0, 0])


def test_a_size_is_the_edge_of_the_square_with_as_many_pixels() -> None:
    size, shape, weight = size_measures(photos_of(width=[800.0], height=[200.0], aspect_ratio=[4.0]))
    assert size.values.tolist() == [400]
    assert (size.text(400.2), shape.text(4.0), weight.text(1234.0)) == ("400", "4.00", "1,234")


def test_colours_go_from_blue_to_red_after_the_mean() -> None:
    photos = photos_of(red_mean=[1.0, 0.0], green_mean=[0.0, 0.0], blue_mean=[0.0, 1.0])
    (colour,) = class_colours(photos)
    assert (colour.mean, colour.swatches) == ("#800080", ("#0000ff", "#ff0000"))


def test_grey_photos_go_from_dark_to_bright() -> None:
    grey = [0.8, 0.2, 0.4]
    (colour,) = class_colours(photos_of(brightness=grey, red_mean=grey, green_mean=grey, blue_mean=grey))
    assert colour.swatches == ("#333333", "#666666", "#cccccc")


def test_many_photos_make_twelve_swatches() -> None:
    (colour,) = class_colours(photos_of(red_mean=np.linspace(0, 1, 500)))
    assert len(colour.swatches) == SWATCHES


def test_training_and_test_are_compared_where_there_are_both() -> None:
    photos = photos_of(brightness=[0.1, 0.2, 0.3, 0.4] * 2, contrast=[0.1] * 4 + [0.3] * 4)
    is_test = pd.Series([False] * 4 + [True] * 4)
    brightness, contrast, _ = histograms(light_measures(photos), is_test)
    assert (brightness.distance, contrast.distance) == (0, 1)
    assert brightness.test == brightness.training
    assert contrast.test != contrast.training


@pytest.mark.parametrize("everything", [True, False])
def test_one_part_alone_is_drawn_without_comparison(everything: bool) -> None:
    photos = photos_of(brightness=[0.1, 0.2])
    drawn = histograms(light_measures(photos), pd.Series([everything] * 2))
    assert {(histogram.test, histogram.distance) for histogram in drawn} == {("", None)}
    assert all("V2.0H" in histogram.training for histogram in drawn)
