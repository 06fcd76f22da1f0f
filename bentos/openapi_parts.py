"""The parts that every description of an address is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from bentos.openapi_schemas import reference
from bentos.settings import ServiceSettings

_FAILURES = {
    400: ("The client went away before its body was complete.", "The request ended before its body was complete."),
    401: ("An API key is set and was not sent.", "An API key is needed; send one as 'Authorization: Bearer KEY' or …."),
    413: (
        "The body is too large, declared or in chunks.",
        "The request is larger than 20 MB; send a smaller photo, ….",
    ),
    415: ("The content type is none that holds photos.", "The content type is text/plain; send the photo as a file …."),
    422: (
        "No usable photo, an option that cannot be, or a parameter or form field that is not described here.",
        "The photo cannot be used: animated (3 frames); a single photo is expected.",
    ),
    429: ("As many requests as a worker holds are waiting.", "Too many requests are waiting; try again in a second."),
    503: ("The answer cannot be recorded now.", "The answer cannot be recorded now; try again in a few seconds."),
    504: ("The request took too long, its upload included.", "The request took longer than 30 seconds, its upload …."),
}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "An id for the log, 1 to 64 of A-Z a-z 0-9 . _ -; any other is replaced. It is sent back.",
    "schema": {"type": "string"},
}


def security(settings: ServiceSettings) -> dict[str, Any]:
    """Which keys an address asks for."""
    return {"security": [{"bearer": []}, {"header": []}]} if settings.api_keys else {}


def query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """An option of an address."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def json_answer(description: str, schema: str) -> dict[str, Any]:
    """An answer in JSON; ``schema`` is the name of what it holds."""
    return content(description, "application/json", {"schema": reference(schema)})


def content(description: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """An answer of a media type."""
    header = {"description": "The id of the request in the log.", "schema": {"type": "string"}}
    return {"description": description, "headers": {"X-Request-ID": header}, "content": {kind: content}}


def failures(codes: Sequence[int], others: Mapping[int, tuple[str, str]] | None = None) -> dict[str, Any]:
    """The ways in which an address refuses, by status.

    Args:
        codes: the statuses.
        others: description and sentence where they are not the usual ones.
    """
    made = {}
    for code in codes:
        description, sentence = (others or {}).get(code) or _FAILURES[code]
        response = json_answer(description, "Error")
        response["content"]["application/json"]["example"] = {"error": sentence}
        if code in (429, 503):
            response["headers"] = {**response["headers"], **_RETRY}
        made[str(code)] = response
    return made
