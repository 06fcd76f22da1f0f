"""The description of the interface, at ``/openapi.json``: what is asked, what is answered, and every way to fail."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from bentos.endpoints import BATCH_FIELD, FIELD, Endpoint
from bentos.exchange import Exchange
from bentos.openapi_parts import REQUEST_ID, content, failures, json_answer, query, security
from bentos.openapi_review import review_paths
from bentos.openapi_schemas import schemas
from bentos.settings import ServiceSettings
from quality_gate.models.manifest import ModelManifest


def openapi_endpoint(manifest: ModelManifest, settings: ServiceSettings) -> Endpoint:
    """``GET /openapi.json``."""
    document = openapi(manifest, settings)

    async def answer(_exchange: Exchange) -> Response:
        return JSONResponse(document)

    return Endpoint("openapi", "GET", answer, public=True)


def openapi(manifest: ModelManifest, settings: ServiceSettings) -> dict[str, Any]:
    """The OpenAPI document of a model's service, as plain JSON values."""
    photo_statuses = [400, *([401] if settings.api_keys else []), 413, 415, 422, 429, 503, 504]
    threshold = query(
        "threshold", {"type": "number", "minimum": 0, "maximum": 1}, "Only above the certified threshold of the model."
    )
    label = query("label", {"type": "string", "enum": list(manifest.classes)}, "The class to explain.")
    overlay = query("overlay", {"type": "boolean", "default": True}, "Whether the JSON holds the overlay.")
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
                    {"200": json_answer("The answer.", "Answer"), **failures(photo_statuses)},
                    settings,
                )
            },
            "/predict_batch": {
                "post": _operation(
                    "predict_batch",
                    "Answer many photos; a bad one gets its own error, the others their answers",
                    [threshold],
                    _batch_body(settings, threshold["schema"]),
                    {"200": json_answer("An item a photo, in order.", "BatchAnswer"), **failures(photo_statuses)},
                    settings,
                )
            },
            "/explain": {
                "post": _operation(
                    "explain",
                    "Show what in a photo speaks for a label",
                    [label, overlay],
                    _photo_body(settings, [("label", label["schema"]), ("overlay", overlay["schema"])]),
                    {"200": _explanation(), **failures([code for code in photo_statuses if code != 503])},
                    settings,
                )
            },
            **review_paths(manifest, settings),
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
    keyed = failures([401]) if settings.api_keys else {}
    text = {"schema": {"type": "string"}}
    gets = {
        "/model": (
            "model",
            "What the model is, what was measured of it, and the limits",
            json_answer("The model.", "Model"),
        ),
        "/metrics": ("metrics", "Metrics for Prometheus", content("All metrics.", "text/plain", text)),
        "/openapi.json": ("openapi", "This document", content("OpenAPI.", "application/json", {"schema": {}})),
        "/": ("page", "A page to drop a photo on", content("The page.", "text/html", text)),
        "/review": ("review", "A page to say what photos show", content("The page.", "text/html", text)),
        **{
            path: (path[1:], "Health probe", content("It is well.", "text/plain", text))
            for path in ("/healthz", "/livez", "/readyz")
        },
    }
    public = ("/openapi.json", "/", "/review", "/healthz", "/livez", "/readyz")
    return {
        path: {
            "get": {
                "operationId": name,
                "summary": summary,
                "responses": {"200": response, **({} if path in public else keyed)},
                **({} if path in public else security(settings)),
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
        "parameters": [*parameters, REQUEST_ID],
        "requestBody": {"required": True, "content": body},
        "responses": responses,
        **security(settings),
    }


def _photo_body(settings: ServiceSettings, options: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    form = _form(FIELD, binary, dict(options))
    bare = {f"image/{name.lower()}": {"schema": binary} for name in settings.formats}
    return {"multipart/form-data": {"schema": form}, **bare}


def _batch_body(settings: ServiceSettings, threshold: dict[str, Any]) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    files = {"type": "array", "items": binary, "minItems": 1, "maxItems": settings.max_batch}
    return {"multipart/form-data": {"schema": _form(BATCH_FIELD, files, {"threshold": threshold})}}


def _form(field: str, photos: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [field],
        "properties": {field: photos, **options},
        "additionalProperties": False,
    }


def _explanation() -> dict[str, Any]:
    whole = json_answer("The map; with 'Accept: image/png' only the overlay.", "Explanation")
    png = {"schema": {"type": "string", "format": "binary", "contentMediaType": "image/png"}}
    return {**whole, "content": {**whole["content"], "image/png": png}}
