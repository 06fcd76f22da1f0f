"""The description of the interface, at ``/openapi.json``: what is asked, what is answered, and every way to fail."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from bentos.endpoints import BATCH_FIELD, FIELD, Endpoint
from bentos.exchange import Exchange
from bentos.openapi_schemas import reference, schemas
from bentos.settings import ServiceSettings
from quality_gate.models.manifest import ModelManifest

_FAILURES = {
    400: ("The client went away before its body was complete.", "The request ended before its body was complete."),
    401: ("An API key is set and was not sent.", "An API key is needed; send one as 'Authorization: Bearer KEY' or …."),
    413: (
        "The body is too large, declared or in chunks.",
        "The request is larger than 20 MB; send a smaller photo, ….",
    ),
    415: ("The content type is none that holds photos.", "The content type is text/plain; send the photo as a file …."),
    422: (
        "No usable photo, or an option that cannot be.",
        "The photo cannot be used: animated (3 frames); a single photo is expected.",
    ),
    429: ("As many requests as a worker holds are waiting.", "Too many requests are waiting; try again in a second."),
    503: ("The answer cannot be recorded now.", "The answer cannot be recorded now; try again in a few seconds."),
    504: ("The request took too long, its upload included.", "The request took longer than 30 seconds, its upload …."),
}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "An id for the log, 1 to 64 of A-Z a-z 0-9 . _ -; any other is replaced. It is sent back.",
    "schema": {"type": "string"},
}


def openapi_endpoint(manifest: ModelManifest, settings: ServiceSettings) -> Endpoint:
    """``GET /openapi.json``."""
    document = openapi(manifest, settings)

    async def answer(_exchange: Exchange) -> Response:
        return JSONResponse(document)

    return Endpoint("openapi", "GET", answer, public=True)


def openapi(manifest: ModelManifest, settings: ServiceSettings) -> dict[str, Any]:
    """The OpenAPI document of a model's service, as plain JSON values."""
    photo_statuses = [400, *([401] if settings.api_keys else []), 413, 415, 422, 429, 503, 504]
    threshold = _query(
        "threshold", {"type": "number", "minimum": 0, "maximum": 1}, "Only above the certified threshold of the model."
    )
    label = _query("label", {"type": "string", "enum": list(manifest.classes)}, "The class to explain.")
    overlay = _query("overlay", {"type": "boolean", "default": True}, "Whether the JSON holds the overlay.")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Visual Quality Gate: {manifest.name}",
            "version": manifest.version or "candidate",
            "description": "Says of a photo what it shows, and whether to accept the answer or send it to review.",
        },
        "paths": {
            "/predict": {
                "post": _operation(
                    "predict",
                    "Answer one photo",
                    [threshold],
                    _photo_body(settings, [("threshold", threshold["schema"])]),
                    {"200": _json("The answer.", "Answer"), **_failures(photo_statuses)},
                    settings,
                )
            },
            "/predict_batch": {
                "post": _operation(
                    "predict_batch",
                    "Answer many photos; a bad one gets its own error, the others their answers",
                    [threshold],
                    _batch_body(settings, threshold["schema"]),
                    {"200": _json("An item a photo, in order.", "BatchAnswer"), **_failures(photo_statuses)},
                    settings,
                )
            },
            "/explain": {
                "post": _operation(
                    "explain",
                    "Show what in a photo speaks for a label",
                    [label, overlay],
                    _photo_body(settings, [("label", label["schema"]), ("overlay", overlay["schema"])]),
                    {"200": _explanation(), **_failures([code for code in photo_statuses if code != 503])},
                    settings,
                )
            },
            **_simple_paths(settings),
        },
        "components": {
            "schemas": schemas(manifest, settings),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _simple_paths(settings: ServiceSettings) -> dict[str, Any]:
    keyed = _failures([401]) if settings.api_keys else {}
    text = {"schema": {"type": "string"}}
    gets = {
        "/model": ("model", "What the model is, what was measured of it, and the limits", _json("The model.", "Model")),
        "/metrics": ("metrics", "Metrics for Prometheus", _content("All metrics.", "text/plain", text)),
        "/openapi.json": ("openapi", "This document", _content("OpenAPI.", "application/json", {"schema": {}})),
        "/": ("page", "A page to drop a photo on", _content("The page.", "text/html", text)),
        **{
            path: (path[1:], "Health probe", _content("It is well.", "text/plain", text))
            for path in ("/healthz", "/livez", "/readyz")
        },
    }
    public = ("/openapi.json", "/", "/healthz", "/livez", "/readyz")
    return {
        path: {
            "get": {
                "operationId": name,
                "summary": summary,
                "responses": {"200": response, **({} if path in public else keyed)},
                **({} if path in public else _security(settings)),
            }
        }
        for path, (name, summary, response) in gets.items()
    }


def _operation(
    name: str,
    summary: str,
    parameters: Sequence[dict[str, Any]],
    body: dict[str, Any],
    responses: dict[str, Any],
    settings: ServiceSettings,
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters, _REQUEST_ID],
        "requestBody": {"required": True, "content": body},
        "responses": responses,
        **_security(settings),
    }


def _security(settings: ServiceSettings) -> dict[str, Any]:
    return {"security": [{"bearer": []}, {"header": []}]} if settings.api_keys else {}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _photo_body(settings: ServiceSettings, options: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: binary, **dict(options)}}
    bare = {f"image/{name.lower()}": {"schema": binary} for name in settings.formats}
    return {"multipart/form-data": {"schema": form}, **bare}


def _batch_body(settings: ServiceSettings, threshold: dict[str, Any]) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    files = {"type": "array", "items": binary, "minItems": 1, "maxItems": settings.max_batch}
    form = {"type": "object", "required": [BATCH_FIELD], "properties": {BATCH_FIELD: files, "threshold": threshold}}
    return {"multipart/form-data": {"schema": form}}


def _explanation() -> dict[str, Any]:
    whole = _json("The map; with 'Accept: image/png' only the overlay.", "Explanation")
    png = {"schema": {"type": "string", "format": "binary", "contentMediaType": "image/png"}}
    return {**whole, "content": {**whole["content"], "image/png": png}}


def _json(description: str, schema: str) -> dict[str, Any]:
    return _content(description, "application/json", {"schema": reference(schema)})


def _content(description: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    header = {"description": "The id of the request in the log.", "schema": {"type": "string"}}
    return {"description": description, "headers": {"X-Request-ID": header}, "content": {kind: content}}


def _failures(codes: Sequence[int]) -> dict[str, Any]:
    made = {}
    for code in codes:
        description, sentence = _FAILURES[code]
        response = _json(description, "Error")
        response["content"]["application/json"]["example"] = {"error": sentence}
        if code in (429, 503):
            response["headers"] = {**response["headers"], **_RETRY}
        made[str(code)] = response
    return made
