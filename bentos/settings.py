"""What an operator may set of the service: environment variables, checked once at the start."""

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from quality_gate.api_keys import split_key
from quality_gate.errors import UserError
from quality_gate.preprocess import FORMATS
from quality_gate.processors import available_processors

PREFIX = "QUALITY_GATE_"

# What other parts of the product read from the environment under the same prefix.
_OTHERS = ("HOME", "DATABASE_URL")


class Section(BaseModel):
    """Frozen, and a misspelt key is an error rather than a key nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Costs(Section):
    """What a wrong answer costs against a look by a person; it can only send more answers to review.

    An answer is accepted only if (1 − confidence) × ``wrong[label]`` is at most ``review``.

    Attributes:
        review: of sending one photo to review, above 0; in the unit of ``wrong``.
        wrong: of accepting an answer with this label when it is wrong, 0 or more; labels left out cost nothing.
    """

    review: float = Field(gt=0)
    wrong: dict[str, Annotated[float, Field(ge=0)]]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _parse(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("not JSON") from None


class ServiceSettings(Section):
    """Settings of the service; ``QUALITY_GATE_MAX_UPLOAD_MB=5`` sets ``max_upload_mb``.

    Attributes:
        api_keys: any of them opens the service, comma-separated; none: it is open to whoever reaches it. Two at a time
            let keys be changed without a pause. ``name:key`` says whose it is: reviews are kept under that name.
        max_upload_mb: largest body of a request, in megabytes (10⁶ bytes).
        max_pixels: most pixels of a photo; checked before they are decoded.
        request_timeout_s: how long a request may take, its upload included, in seconds.
        max_concurrency: requests that a worker holds at once; what comes above is answered 429.
        max_batch: most photos of one request to /predict_batch.
        formats: of photos that are accepted: JPEG, PNG, WEBP, BMP.
        threads: photos that a worker decodes and classifies at once; each takes one processor and memory for its
            pixels. 0 means one a processor.
        costs: as JSON, such as ``{"review": 1, "wrong": {"tomato": 25}}``; None: the certificate alone decides.
    """

    api_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_split)] = ()
    max_upload_mb: float = Field(default=20, gt=0, le=1000)
    max_pixels: int = Field(default=50_000_000, ge=1, le=150_000_000)
    request_timeout_s: float = Field(default=30, gt=0, le=110)
    max_concurrency: int = Field(default=32, ge=1, le=10_000)
    max_batch: int = Field(default=32, ge=1, le=1000)
    formats: Annotated[tuple[str, ...], BeforeValidator(_split)] = ("JPEG", "PNG", "WEBP")
    threads: int = Field(default=0, ge=0, le=256)
    costs: Annotated[Costs | None, BeforeValidator(_parse)] = None

    @model_validator(mode="after")
    def _check(self) -> "ServiceSettings":
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or not self.formats:
            raise ValueError(f"formats: {', '.join(unknown) or 'none'}; expected some of {', '.join(FORMATS)}")
        for key in self.api_keys:
            _, text = split_key(key.get_secret_value())
            if len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("api_keys: a key needs 16 or more printable ASCII characters without spaces")
        return self

    @property
    def max_body_bytes(self) -> int:
        """Largest body of a request, in bytes."""
        return int(self.max_upload_mb * 1e6)

    @property
    def worker_threads(self) -> int:
        """Photos that a worker works on at once, 1 or more."""
        return self.threads or available_processors()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ServiceSettings":
        """Read the settings.

        Raises:
            UserError: a value is not what is expected, or a variable is misspelt; values are never repeated, for they
                may be keys.
        """
        known = {PREFIX + name.upper(): name for name in cls.model_fields}
        for variable in environment:
            if variable.startswith(PREFIX) and variable not in known and variable[len(PREFIX) :] not in _OTHERS:
                close = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
                if close:
                    raise UserError(f"{variable} is no setting of the service; did you mean {close[0]}?")
        given = {name: environment[variable] for variable, name in known.items() if environment.get(variable)}
        try:
            return cls(**given)  # type: ignore[arg-type]  # pydantic converts the texts
        except ValidationError as error:
            raise UserError(_sentence(error.errors()[0])) from None


_EXAMPLES = {"costs": '{"review": 1, "wrong": {"LABEL": 25}}'}


def _sentence(error: Any) -> str:
    """One sentence of an error of pydantic's, which names the variable and not the value."""
    place, reason = error["loc"], error["msg"].removeprefix("Value error, ")
    if place:
        name, inside = place[0], ".".join(str(part) for part in place[1:])
        reason = f"{name}{'.' + inside if inside else ''}: {reason}"
    name, _, reason = reason.partition(": ")
    field, _, inside = name.partition(".")
    expected = f"; expected {_EXAMPLES[field]}" if field in _EXAMPLES else ""
    return f"{PREFIX}{field.upper()}: {inside + ': ' if inside else ''}{reason}{expected}."
