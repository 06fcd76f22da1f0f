"""Values that steps hand on as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


class StepValue:
    """A value that pydantic, through which ZenML checks the arguments of steps, takes by its type and never rebuilds.

    Without it pydantic would look into dataclasses, and at annotations of libraries that are only imported where they
    are used.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """Accept instances of the class."""
        # Here, so that training needs no pydantic.
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)
