from math import inf, nan, nextafter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.wording import interval_text, number, places_to_tell_apart

finite = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (-0.03, "−0.030"),
        (3.14e-7, "3.1×10⁻⁷"),
        (-2e-4, "−2.0×10⁻⁴"),
        (0.001, "0.001"),
        (9.5, "9.500"),
        (13.52, "13.5"),
        (120.0, "120"),
        (12345.6, "12,346"),
        (nan, "–"),
        (inf, "–"),
    ],
)
def test_a_number_has_as_many_decimals_as_its_size_deserves(value, text):
    assert number(value) == text


def test_a_difference_can_show_its_sign():
    assert number(0.012, sign=True) == "+0.012"
    assert number(-0.012, sign=True) == "−0.012"
    assert number(2e-4, sign=True) == "+2.0×10⁻⁴"


@pytest.mark.parametrize("interval", [Interval(0.5, nan), Interval(nan, 0.5), Interval(nan, nan)])
def test_an_interval_undefined_at_an_end_is_a_dash(interval):
    assert interval_text(interval) == "–"


def test_an_interval_shows_both_ends_with_the_places_asked_for():
    assert interval_text(Interval(-0.01, 0.9)) == "−0.010 to 0.900"
    assert interval_text(Interval(0.1, 0.9), 5) == "0.10000 to 0.90000"


@settings(deadline=None, max_examples=50)
@given(finite, finite)
def test_two_values_look_different_exactly_when_they_are(value, limit):
    places = places_to_tell_apart(value, limit)
    assert (number(value, places) == number(limit, places)) == (value == limit)


@settings(deadline=None, max_examples=50)
@given(finite)
def test_even_neighbours_among_the_floating_point_numbers_look_different(value):
    neighbour = nextafter(value, inf)
    places = places_to_tell_apart(value, neighbour)
    assert number(value, places) != number(neighbour, places) or value == neighbour == 0


@settings(deadline=None, max_examples=50)
@given(finite, finite)
def test_no_more_places_are_shown_than_are_needed(value, limit):
    places = places_to_tell_apart(value, limit)
    assert places == 3 or number(value, places - 1) == number(limit, places - 1)


def test_what_is_undefined_needs_no_more_places():
    assert places_to_tell_apart(nan, 0.8) == places_to_tell_apart(0.8, 0.8) == 3
