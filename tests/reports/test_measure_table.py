import numpy as np
import pandas as pd
import pytest

from quality_gate.evaluation.wording import number
from quality_gate.reports.measure_table import light_means, measure_rows


@pytest.fixture
def photos():
    rng = np.random.default_rng(0)
    columns = ("width", "height", "aspect_ratio", "file_size_kb", "brightness", "contrast", "sharpness")
    colours = ("red_mean", "green_mean", "blue_mean")
    table = pd.DataFrame({column: rng.lognormal(size=40) for column in (*columns, *colours)})
    return table.assign(label=["onion", "potato"] * 20)


def test_the_figures_of_a_measure_are_those_of_pandas(photos):
    (width, *_) = measure_rows(photos)
    values = photos["width"]
    expected = (values.mean(), values.std(), values.min(), values.median(), values.max(), values.skew())
    assert width.figures == tuple(number(float(value)) for value in expected)


def test_missing_values_are_counted_and_a_measure_without_any_has_dashes(photos):
    rows = {row.name: row for row in measure_rows(photos.assign(sharpness=np.nan))}
    assert rows["Sharpness"].missing == 40
    assert set(rows["Sharpness"].figures) == {"–"}
    assert rows["Width"].missing == 0


def test_the_light_of_a_class_is_the_mean_of_its_photos(photos):
    onion, potato = light_means(photos)
    assert (onion.label, potato.label) == ("onion", "potato")
    assert onion.means[2] == number(float(photos.loc[photos["label"] == "onion", "red_mean"].mean()))
