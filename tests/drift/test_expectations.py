from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quality_gate.drift.expectations import check_window, window_table

SUITES = Path(__file__).resolve().parents[2] / "expectations"


@pytest.fixture
def photos(draw):
    return draw(np.random.default_rng(0), 200)


def failed(photos):
    return {check.name for check in check_window(photos, "prediction_window", SUITES).checks if not check.passed}


def test_photos_that_are_fine_pass_every_check(photos):
    result = check_window(photos, "prediction_window", SUITES)
    assert (result.passed, failed(photos), result.photos) == (True, set(), 200)


def test_dark_photos_are_a_warning(photos):
    dark = {**photos.statistics, "brightness": photos.statistics["brightness"] * 0.1}
    assert failed(replace(photos, statistics=dark)) == {"not_too_dark"}


def test_a_confidence_below_the_even_share_is_an_error(photos):
    result = check_window(replace(photos, confidence=np.full(200, 0.1)), "prediction_window", SUITES)
    assert not result.passed
    assert [check.name for check in result.failed("error")] == ["confidence_possible"]


def test_the_table_has_a_row_a_photo(photos):
    table = window_table(photos)
    assert len(table) == 200
    assert table["label"].iloc[0] == photos.classes[photos.predicted[0]]
