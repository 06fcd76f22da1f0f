import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality_gate.review.spreadsheet import harmless, original


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@sum", "'=cmd()"])
def test_no_formula_is_left(text):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "ana", "o'neill", "'t zand", "potato-2", "a=b"])
def test_all_other_text_stays_as_it_is(text):
    assert harmless(text) == text


@given(st.text(st.sampled_from("'=+-@a"), max_size=5))
def test_what_went_out_comes_back(text):
    assert original(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@"))
