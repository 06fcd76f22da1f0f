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
        "Error": _object({"error": _text("What is wrong and what to do, in a sentence or two.")}),
        "Answer": _object(
            {
                "label": labels | {"description": "The most probable class."},
                "confidence": _SHARE | {"description": "The probability of that class."},
                "probabilities": _object(dict.fromkeys(manifest.classes, _SHARE)),
                "decision": _DECISION | {"description": "Whether the answer may be used without a person."},
                "model_version": _text("name:version of the model that answered."),
            },
            answer,
        ),
        "BatchItem": {
            "oneOf": [
                _object({"name": _file_name(), "status": {"const": 200}, "answer": reference("Answer")}),
                _object({"name": _file_name(), "status": {"const": 422}, "error": _text("Why there is no answer.")}),
            ]
        },
        "BatchAnswer": _object(
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
        "Explanation": _object(
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
    }


def _model(settings: ServiceSettings) -> dict[str, Any]:
    certificate = _object(
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
    return {
        "type": "object",
        "required": ["name", "version", "classes", "routing", "digests", "metrics", "explains", "limits", "costs"],
        "properties": {
            "name": _text("The gate it was trained for."),
            "version": {"type": ["string", "null"], "description": "Its number in the registry."},
            "architecture": _text("Name of the network."),
            "classes": {"type": "array", "items": {"type": "string"}},
            "preprocessing": {"type": "object"},
            "temperature": {"type": "number"},
            "routing": {"oneOf": [certificate, {"type": "null"}]},
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


def _object(properties: dict[str, Any], example: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }
    return made if example is None else {**made, "example": example}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _file_name() -> dict[str, Any]:
    return {"type": "string", "maxLength": 255, "description": "What the client called the photo."}
