import pytest

from quality_gate.api_keys import split_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0123456789abcdef", ("", "0123456789abcdef")),
        ("ana:0123456789abcdef", ("ana", "0123456789abcdef")),
        ("ana@belt-1.plant:a:b", ("ana@belt-1.plant", "a:b")),
        (":0123456789abcdef", ("", ":0123456789abcdef")),
        ("-ana:key", ("", "-ana:key")),
        ("x" * 65 + ":key", ("", "x" * 65 + ":key")),
        ("", ("", "")),
    ],
)
def test_a_name_stands_before_the_first_colon(text, expected):
    assert split_key(text) == expected
