import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.training.schedule import WARM_UP, one_cycle


@given(progress=st.floats(0, 1))
def test_the_rate_stays_between_nothing_and_its_height(progress):
    assert 0 <= one_cycle(progress) <= 1


@given(first=st.floats(0, 1), second=st.floats(0, 1))
def test_the_rate_rises_first_and_falls_then(first, second):
    early, late = sorted((first, second))
    if late <= WARM_UP:
        assert one_cycle(early) <= one_cycle(late)
    elif early >= WARM_UP:
        assert one_cycle(early) >= one_cycle(late)


def test_the_rate_begins_and_ends_at_nothing_and_is_highest_after_the_warm_up():
    assert [one_cycle(progress) for progress in (0, WARM_UP, 1)] == pytest.approx([0, 1, 0])
