"""The parts of the interface's description that say what an answer looks like, each with an example."""

from typing import Any

from bentos.settings import ServiceSettings
from quality_gate.models.manifest import ModelManifest

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_DECISION = {"type": "string", "enum": ["accept", "review"]}


def reference(name: str) -> dict[str, str]:
    """A reference to one of :func:`schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(manifest: ModelManifest, settings: ServiceSettings) -> dict[str, Any]:
    """The schemas of all answers, by name."""
    labels = {"type": "string", "enum": list(manifest.classes)}
    answer = _example_answer(manifest)
    return {
        "Error": object_schema({"error": text("What is wrong and what to do, in a sentence or two.")}),
        "Answer": object_schema(
            {
                "label": labels | {"description": "The most probable class, or the watched one from its threshold on."},
                "confidence": _SHARE | {"description": "The probability of that class."},
                "probabilities": object_schema(dict.fromkeys(manifest.classes, _SHARE)),
                "decision": _DECISION | {"description": "Whether the answer may be used without a person."},
                "model_version": text("name:version of the model that answered."),
            },
            answer,
        ),
        "BatchItem": {
            "oneOf": [
                object_schema({"name": _file_name(), "status": {"const": 200}, "answer": reference("Answer")}),
                object_schema(
                    {"name": _file_name(), "status": {"const": 422}, "error": text("Why there is no answer.")}
                ),
            ]
        },
        "BatchAnswer": object_schema(
            {
                "answers": {
                    "type": "array",
                    "items": reference("BatchItem"),
                    "minItems": 1,
                    "maxItems": settings.max_batch,
                }
            },
            {
                "answers": [
                    {"name": "belt_1.jpg", "status": 200, "answer": answer},
                    {"name": "belt_2.jpg", "status": 422, "error": "The photo cannot be used: the file is empty."},
                ]
            },
        ),
        "Explanation": object_schema(
            {
                "label": labels | {"description": "The class that is explained."},
                "answer": reference("Answer"),
                "map": {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": "number"}},
                    "description": "How much each place speaks for the class, rows from the top, in units of logits.",
                },
                "overlay": {
                    "type": ["string", "null"],
                    "contentEncoding": "base64",
                    "contentMediaType": "image/png",
                    "description": "The photo as the network saw it under the map; null with overlay=false.",
                },
            },
            {"label": answer["label"], "answer": answer, "map": [[0.1, 1.9], [-0.2, 0.4]], "overlay": "iVBORw0KGgo="},
        ),
        "Model": _model(settings),
        **_review_schemas(manifest),
    }


def _review_schemas(manifest: ModelManifest) -> dict[str, Any]:
    share = _SHARE | {"description": "Of the class, by the model."}
    photo = object_schema(
        {
            "sha256": text("SHA-256 of the photo."),
            "name": text("What its sender called it."),
            "time": {"type": "string", "format": "date-time", "description": "When it was answered."},
            "model_version": text("name:version of the model that answered."),
            "best": {
                "type": "array",
                "items": object_schema({"label": text("A class."), "probability": share}),
                "maxItems": 3,
                "description": "The most probable classes.",
            },
        }
    )
    best = [{"label": label, "probability": 0.5} for label in manifest.classes[:2]]
    version = f"{manifest.name}:{manifest.version or 'candidate'}"
    return {
        "Turn": object_schema(
            {
                "reviewer": text("Who asks: the name of their key."),
                "waiting": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Photos that nobody has reviewed, and whose files are here.",
                },
                "missing": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Photos that nobody has reviewed, and whose files are gone: they cannot be.",
                },
                "classes": {"type": "array", "items": {"type": "string"}},
                "photo": {"oneOf": [photo, {"type": "null"}]},
            },
            {
                "reviewer": "ana",
                "waiting": 12,
                "missing": 0,
                "classes": list(manifest.classes),
                "photo": {
                    "sha256": "0f" * 32,
                    "name": "belt_1.jpg",
                    "time": "2026-03-04T10:11:12+00:00",
                    "model_version": version,
                    "best": best,
                },
            },
        ),
        "Kept": object_schema({"id": text("Of the review.")}, {"id": "6f1c8f0e-6d3a-4a0b-9b53-0d4c3c1c7f52"}),
    }


def _model(settings: ServiceSettings) -> dict[str, Any]:
    certificate = object_schema(
        {
            "alpha": _SHARE | {"description": "Largest share of wrong answers among the accepted."},
            "delta": _SHARE | {"description": "Probability that the certificate is wrong."},
            "threshold": {"type": ["number", "null"], "description": "Null: every answer goes to review."},
            "coverage": _SHARE,
            "accepted": {"type": "integer"},
            "wrong": {"type": "integer"},
            "photos": {"type": "integer"},
            "risk_upper_bound": {"type": ["number", "null"]},
        }
    )
    watched = object_schema(
        {
            "label": text("The class that must not be missed."),
            "min_recall": _SHARE | {"description": "Share of its photos that are to be found."},
            "threshold": _SHARE | {"description": "Probability from which it is the answer, if not the highest."},
            "photos": {"type": "integer"},
            "missed": {"type": "integer"},
        }
    )
    member = object_schema(
        {
            "architecture": text("Name of its network."),
            "mean": {"type": "array", "items": {"type": "number"}},
            "std": {"type": "array", "items": {"type": "number"}},
            "temperature": {"type": "number"},
            "weight": _SHARE | {"description": "Of its probabilities in those of the model."},
        }
    )
    return {
        "type": "object",
        "required": [
            "name",
            "version",
            "classes",
            "routing",
            "watched",
            "digests",
            "metrics",
            "explains",
            "limits",
            "costs",
        ],
        "properties": {
            "name": text("The gate it was trained for."),
            "version": {"type": ["string", "null"], "description": "Its number in the registry."},
            "architecture": text("Name of the network; of an ensemble those of its members."),
            "members": {"type": "array", "items": member},
            "classes": {"type": "array", "items": {"type": "string"}},
            "preprocessing": {"type": "object"},
            "temperature": {"type": "number"},
            "routing": {"oneOf": [certificate, {"type": "null"}]},
            "watched": {"oneOf": [watched, {"type": "null"}]},
            "digests": {"type": "object", "additionalProperties": {"type": "string"}},
            "metrics": {"type": ["object", "null"], "description": "Figures on the test photos, where they are known."},
            "explains": {"type": "boolean", "description": "Whether /explain can answer."},
            "limits": {
                "type": "object",
                "properties": {"formats": {"type": "array", "items": {"enum": list(settings.formats)}}},
            },
            "costs": {"type": ["object", "null"]},
        },
    }


def _example_answer(manifest: ModelManifest) -> dict[str, Any]:
    others = manifest.classes[1:]
    probabilities = {manifest.classes[0]: 0.97 if others else 1.0, **dict.fromkeys(others, 0.03 / max(len(others), 1))}
    return {
        "label": manifest.classes[0],
        "confidence": probabilities[manifest.classes[0]],
        "probabilities": probabilities,
        "decision": "accept",
        "model_version": f"{manifest.name}:{manifest.version or 'candidate'}",
    }


def object_schema(properties: dict[str, Any], example: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object that has all of these properties and no others."""
    made: dict[str, Any] = {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }
    return made if example is None else {**made, "example": example}


def text(description: str) -> dict[str, Any]:
    """A text."""
    return {"type": "string", "description": description}


def _file_name() -> dict[str, Any]:
    return {"type": "string", "maxLength": 255, "description": "What the client called the photo."}
