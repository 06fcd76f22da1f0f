"""The part of the interface's description that is about reviews."""

from typing import Any

from bentos.openapi_parts import REQUEST_ID, failures, json_answer, query, security
from bentos.openapi_schemas import object_schema
from bentos.review_endpoints import SHA256_PATTERN, UUID_PATTERN
from bentos.settings import ServiceSettings
from quality_gate.models.manifest import ModelManifest

_FAILURES = {
    403: (
        "Without API keys photos are reviewed from the service's own machine only.",
        "Without API keys photos are reviewed on this machine only, at 127.0.0.1 or localhost; set "
        "QUALITY_GATE_API_KEYS=name:key,….",
    ),
    404: ("There is no such photo, or no such review of this reviewer.", "ana gave no review with this id."),
    413: ("The body is too large.", "The request is larger than 0.01 MB; send less."),
    415: ("The body is not JSON.", "The content type is text/plain; send JSON as application/json."),
    422: ("The body is not as described.", "desk: Field required."),
    503: (
        "The database does not answer now; the same request may be sent again.",
        "The database of the reviews does not answer now; try again in a few seconds.",
    ),
}
_DESK = {
    "type": "string",
    "pattern": UUID_PATTERN,
    "description": "A UUID that each tab of a browser makes of its own.",
}
_REVIEW = {
    "type": "string",
    "pattern": UUID_PATTERN,
    "description": "A new UUID for each review; sent again, the same.",
}
_PHOTO = {"type": "string", "pattern": SHA256_PATTERN, "description": "SHA-256 of the photo."}
_EXAMPLE_DESK = "b1c5a5a4-0a51-4f0e-9a3e-2f7f6a1f3a10"
_EXAMPLE_REVIEW = "6f1c8f0e-6d3a-4a0b-9b53-0d4c3c1c7f52"
_IMAGES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "application/octet-stream")


def review_paths(manifest: ModelManifest, settings: ServiceSettings) -> dict[str, Any]:
    """The addresses that the review page asks, besides the page itself."""
    turn = json_answer("A photo that nobody else has for now, or none.", "Turn")
    desk = object_schema({"desk": _DESK}, {"desk": _EXAMPLE_DESK})
    taken_back = object_schema({"desk": _DESK, "id": _REVIEW}, {"desk": _EXAMPLE_DESK, "id": _EXAMPLE_REVIEW})
    posts = {
        "next": ("Get a photo to review", desk, turn, False),
        "record": ("Say what a photo shows", _said(manifest), json_answer("It is kept.", "Kept"), True),
        "undo": ("Take a review back, and get its photo again", taken_back, turn, True),
    }
    paths = {
        f"/review/{name}": {"post": _post(f"review_{name}", *described, settings)} for name, described in posts.items()
    }
    return {**paths, "/review/photo": {"get": _photo(settings)}}


def _said(manifest: ModelManifest) -> dict[str, Any]:
    label = {"type": ["string", "null"], "maxLength": 255, "description": "A class, with the verdict 'label' only."}
    verdict = {"type": "string", "enum": ["label", "unknown", "skip"]}
    example = {
        "desk": _EXAMPLE_DESK,
        "id": _EXAMPLE_REVIEW,
        "photo": "0f" * 32,
        "verdict": "label",
        "label": manifest.classes[0],
    }
    properties = {"desk": _DESK, "id": _REVIEW, "photo": _PHOTO, "verdict": verdict, "label": label}
    return {**object_schema(properties, example), "required": ["desk", "id", "photo", "verdict"]}


def _post(
    name: str,
    summary: str,
    body: dict[str, Any],
    answer: dict[str, Any],
    may_be_unknown: bool,
    settings: ServiceSettings,
) -> dict[str, Any]:
    codes = [400, *_refused(settings), *([404] if may_be_unknown else []), 413, 415, 422, 429, 503, 504]
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [REQUEST_ID],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": answer, **failures(codes, _FAILURES)},
        **security(settings),
    }


def _photo(settings: ServiceSettings) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    header = {"description": "The id of the request in the log.", "schema": {"type": "string"}}
    return {
        "operationId": "review_photo",
        "summary": "A photo to review, as it was sent",
        "parameters": [{**query("photo", _PHOTO, "SHA-256 of the photo."), "required": True}, REQUEST_ID],
        "responses": {
            "200": {
                "description": "The photo.",
                "headers": {"X-Request-ID": header},
                "content": dict.fromkeys(_IMAGES, binary),
            },
            **failures([*_refused(settings), 404], _FAILURES),
        },
        **security(settings),
    }


def _refused(settings: ServiceSettings) -> list[int]:
    """Who may not: with keys those without one, without keys those on another machine."""
    return [401] if settings.api_keys else [403]
