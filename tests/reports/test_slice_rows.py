from dataclasses import replace
from math import nan

from hypothesis import given
from hypothesis import strategies as st

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.slices import Slice
from quality_gate.reports.slice_rows import slice_table

DARK = Slice("brightness", "dark", 0.1, 0.3, 40, 0.9, Interval(0.82, 0.95), 0.8, Interval(0.7, 0.9), 0.01)
shares = st.floats(0, 1)


@given(low=shares, middle=shares, high=shares, whole=shares)
def test_every_bar_is_on_the_axis(low, middle, high, whole):
    low, middle, high = sorted((low, middle, high))
    table = slice_table({"brightness": (replace(DARK, accuracy=middle, accuracy_interval=Interval(low, high)),)}, whole)
    bar = table.measures["brightness"][0].bar
    assert 0 <= table.axis_start < 1
    assert 0 <= bar.left <= bar.mark + 0.01
    assert bar.mark <= bar.left + bar.width + 0.02 <= 100.04
    assert 0 <= table.whole <= 100


def test_good_slices_are_shown_on_a_short_axis():
    table = slice_table({"brightness": (DARK,)}, 0.95)
    assert table.axis_start == 0.7
    assert table.measures["brightness"][0].values == "0.100 to 0.300"


def test_too_few_photos_have_no_bar_and_do_not_stretch_the_axis():
    few = replace(DARK, photos=29, accuracy=0.1, accuracy_interval=Interval(nan, nan), gap_bound=-0.5)
    table = slice_table({"brightness": (few, DARK)}, 0.95)
    assert table.axis_start == 0.7
    assert (table.tested, table.worse) == (1, 0)
    assert table.measures["brightness"][0].bar is None


def test_clearly_worse_slices_are_counted():
    assert slice_table({"brightness": (DARK, replace(DARK, gap_bound=-0.01))}, 0.95).worse == 1
