from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter, ValidationError

from quality_gate.step_value import StepValue

if TYPE_CHECKING:
    from a_library_that_is_not_installed import Table


@dataclass(frozen=True)
class Value(StepValue):
    table: Table
    count: int


@dataclass(frozen=True)
class SpecialValue(Value):
    pass


class Unrelated:
    pass


@pytest.mark.parametrize("kind", [Value, SpecialValue])
def test_a_value_is_handed_on_as_it_is_though_its_fields_could_not_be_checked(kind):
    value = kind(table=object(), count="not a number")
    assert TypeAdapter(Value).validate_python(value) is value


@pytest.mark.parametrize("other", [{"table": None, "count": 1}, Unrelated(), None, Value])
def test_anything_else_is_refused(other):
    with pytest.raises(ValidationError, match="instance of Value"):
        TypeAdapter(Value).validate_python(other)


def test_a_special_value_is_asked_for_by_its_own_type():
    with pytest.raises(ValidationError, match="instance of SpecialValue"):
        TypeAdapter(SpecialValue).validate_python(Value(None, 1))
