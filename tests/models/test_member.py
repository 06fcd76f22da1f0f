from dataclasses import asdict

import pytest

from quality_gate.models.member import Member

MEMBER = Member("resnet18", (0.4, 0.5, 0.6), (0.2, 0.3, 0.25), 1.5, 0.25)


def test_a_member_comes_back_from_its_plain_values():
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(MEMBER).items()}
    assert Member.from_json(values) == MEMBER


@pytest.mark.parametrize("change", [{"temperature": 0}, {"temperature": float("inf")}, {"weight": 0}, {"weight": 1.1}])
def test_a_member_that_cannot_be_mixed_is_refused(change):
    with pytest.raises(ValueError, match="resnet18"):
        Member(**asdict(MEMBER) | change)


@pytest.mark.parametrize("change", [{"mean": [0.5, 0.5]}, {"std": None}])
def test_colours_of_another_number_of_channels_are_refused(change):
    with pytest.raises((TypeError, ValueError)):
        Member.from_json(asdict(MEMBER) | change)
