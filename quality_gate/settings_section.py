"""What every section of the settings is, and how a wrong one is told."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from quality_gate.errors import UserError

DEFAULTS = "zenml.yaml"

Share = Annotated[float, Field(gt=0, lt=1)]
UnitInterval = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """A section of the settings: frozen, and a misspelt key is an error rather than a key nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Settings)

CONTRADICTION = "contradiction"


def contradiction(sentence: str) -> PydanticCustomError:
    """What a validator raises where settings do not go together: told by itself, not behind all that was given.

    Args:
        sentence: which settings, what was expected and what to do.
    """
    return PydanticCustomError(CONTRADICTION, "{sentence}", {"sentence": sentence})


def parse_settings(kind: type[S], values: Mapping[str, Any], *, origin: str, defaults: str = DEFAULTS) -> S:
    """Validate the settings of a run.

    Args:
        kind: what they are settings of.
        values: the mapping under ``parameters:``.
        origin: the file they come from, for the message.
        defaults: the file in which every setting stands, for the message.

    Raises:
        UserError: a key is misspelt or a value impossible; the message names every one of them.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{origin}: {describe(error, defaults=defaults)}") from None


def parse_variables(kind: type[S], values: Mapping[str, str], variables: Mapping[str, str]) -> S:
    """Validate settings that come from environment variables.

    Args:
        kind: what they are settings of.
        values: the texts, by field.
        variables: which variable sets which field, for the message.

    Raises:
        UserError: a value is impossible; the message names the variable of each, and repeats no secret.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        names = {field: variable for variable, field in variables.items()}
        secret = {name for name, field in kind.model_fields.items() if field.annotation is SecretStr}
        raise UserError("; ".join(_describe_variable(names, secret, one) for one in error.errors())) from None


def describe(error: ValidationError, *, defaults: str = DEFAULTS) -> str:
    """One sentence for all that pydantic found wrong.

    Args:
        error: what it found.
        defaults: the file in which every setting stands.
    """
    return "; ".join(_describe_one(problem, defaults) for problem in error.errors())


def _describe_one(problem: Any, defaults: str) -> str:
    field = ".".join(str(part) if str(part).isprintable() else repr(part) for part in problem["loc"]) or "settings"
    if problem["type"] == CONTRADICTION:
        return str(problem["msg"])
    if problem["type"] == "credentials":
        return f"{field}: {problem['msg']}"
    if problem["type"] == "extra_forbidden":
        return f"{field} is no setting; check its spelling against {defaults}"
    if problem["type"] in ("model_type", "dict_type"):
        return f"{field} is {problem['input']!r}: expected a mapping of settings, as in {defaults}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{field} is {problem['input']!r}: {message[0].lower()}{message[1:]}"


def _describe_variable(names: Mapping[str, str], secret: set[str], problem: Any) -> str:
    field, message = str(problem["loc"][0]), problem["msg"].removeprefix("Value error, ")
    given = "" if field in secret else f" is {problem['input']!r}"
    return f"{names[field]}{given}: {message[0].lower()}{message[1:]}"
