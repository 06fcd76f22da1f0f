"""Axes hold the values they are made for and say where they lie."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.reports.axes import MOST_TICKS, linear_axis, log_axis


def test_a_linear_axis_goes_from_step_to_step() -> None:
    axis = linear_axis(pd.Series([0.23, 0.31, 0.58]), 0.1)
    assert (axis.low, axis.high) == pytest.approx((0.2, 0.6))
    assert [(tick.text, tick.place) for tick in axis.ticks] == [("0.2", 0), ("0.4", 50), ("0.6", 100)]
    assert axis.places(np.array([0.1, 0.3, 0.9])).tolist() == pytest.approx([0, 25, 100])


def test_equal_steps_of_a_logarithmic_axis_are_equal_ratios() -> None:
    axis = log_axis(pd.Series([1.0, 10_000.0]))
    assert np.diff(axis.places(np.array([10.0, 100.0, 1000.0]))) == pytest.approx([25, 25])
    assert [tick.text for tick in axis.ticks] == ["1", "100", "10,000"]


def test_photos_of_one_size_lie_in_the_middle_of_an_axis_that_spans_a_factor_of_two() -> None:
    axis = log_axis(pd.Series([348.0] * 5))
    assert axis.high / axis.low == pytest.approx(2)
    assert axis.places(np.array([348.0])).tolist() == pytest.approx([50])
    assert [tick.text for tick in axis.ticks] == ["300", "400"]


def test_named_ticks_are_those_within_the_axis() -> None:
    axis = log_axis(pd.Series([0.7, 1.5]), {"1:2": 0.5, "1:1": 1.0, "4:3": 4 / 3, "2:1": 2.0})
    assert [tick.text for tick in axis.ticks] == ["1:1", "4:3"]


def test_a_few_extreme_values_do_not_stretch_an_axis() -> None:
    axis = log_axis(pd.Series([100.0] * 5000 + [1e6] * 2))
    assert axis.high < 200
    assert axis.places(np.array([1e6])).tolist() == [100]


@pytest.mark.parametrize("axis", [linear_axis(pd.Series([], dtype=float), 0.1), log_axis(pd.Series([], dtype=float))])
def test_without_values_there_is_an_axis_all_the_same(axis) -> None:  # type: ignore[no-untyped-def]
    assert axis.low < axis.high
    assert axis.ticks


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=20))
def test_a_logarithmic_axis_has_a_few_ticks_in_order_and_in_reach(values: list[float]) -> None:
    axis = log_axis(pd.Series(values))
    places = [tick.place for tick in axis.ticks]
    assert 1 <= len(places) <= MOST_TICKS
    assert all(left < right for left, right in pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= 100
    assert len({tick.text for tick in axis.ticks}) == len(axis.ticks)
