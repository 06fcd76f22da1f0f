"""What every section of the settings is, and how a wrong one is told."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """A section of the settings: frozen, and a misspelt key is an error rather than a key nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def describe(error: ValidationError, *, defaults: str = "zenml.yaml") -> str:
    """One sentence for all that pydantic found wrong.

    Args:
        error: what it found.
        defaults: the file in which every setting stands.
    """
    return "; ".join(_describe_one(problem, defaults) for problem in error.errors())


def _describe_one(problem: Any, defaults: str) -> str:
    field = ".".join(str(part) if str(part).isprintable() else repr(part) for part in problem["loc"]) or "settings"
    if problem["type"] == "credentials":
        return f"{field}: {problem['msg']}"
    if problem["type"] == "extra_forbidden":
        return f"{field} is no setting; check its spelling against {defaults}"
    if problem["type"] in ("model_type", "dict_type"):
        return f"{field} is {problem['input']!r}: expected a mapping of settings, as in {defaults}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{field} is {problem['input']!r}: {message[0].lower()}{message[1:]}"
