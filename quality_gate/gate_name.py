"""What a gate may be called."""

import re
from importlib.util import find_spec
from typing import Annotated

from pydantic import AfterValidator


def _can_name_a_bento(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", name):
        raise ValueError("expected lower-case letters, digits, '_' and '-', at most 63, a letter or digit at both ends")
    if _is_a_module(name):
        # `bentoml serve NAME:latest` would import it instead of serving the Bento.
        raise ValueError("expected a name that no Python module has")
    return name


def _is_a_module(name: str) -> bool:
    try:
        module = find_spec(name)
    except ValueError:
        # One that was imported already and put what it defines, such as a pipeline, in its own place.
        return True
    return module is not None and module.origin is not None


# Of settings: the gate that a run is about; it names folders, models and Bentos.
GateName = Annotated[str, AfterValidator(_can_name_a_bento)]
