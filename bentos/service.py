"""The served gate: a photo in, an answer and its way (accept or review) out.

Runs inside a Bento, which carries the model in ``model/`` beside this file. ``bentoml serve NAME:latest`` listens on
127.0.0.1 unless ``--host`` says otherwise.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import bentoml
from pydantic import Field
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bentos.limits import BodyLimit
from bentos.upload import FIELD, read_photo, refuse
from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import MANIFEST_FILE
from quality_gate.preprocess import UnreadableImage

if TYPE_CHECKING:
    from _bentoml_impl.serde import Serde

MODEL_FOLDER = Path(__file__).resolve().parent / "model"


class PhotoForm(bentoml.IODescriptor):
    """The form of a request to classify a photo."""

    # BentoML describes a Path as a file in OpenAPI and to its clients; a form that was read holds what read_photo gave.
    image: Path = Field(description="The photo: JPEG, PNG, WebP or BMP.")

    @classmethod
    async def from_http_request(cls, request: Request, serde: "Serde") -> "PhotoForm":
        """Read the form of a request; called by BentoML."""
        return cls.model_construct(image=await read_photo(request))


class Answer(bentoml.IODescriptor):
    """The answer for one photo."""

    label: str = Field(description="The most probable class.")
    confidence: float = Field(ge=0, le=1, description="The probability of that class.")
    probabilities: dict[str, float] = Field(description="The probability of every class; they sum to 1.")
    decision: Literal["accept", "review"] = Field(description="Whether the answer may be used without a person.")
    model_version: str = Field(description="name:version of the model that answered.")


async def describe_model(_request: Request) -> JSONResponse:
    """``GET /model``: what the served model says of itself (its ``model.json``)."""
    return JSONResponse(json.loads((MODEL_FOLDER / MANIFEST_FILE).read_text()))


@bentoml.asgi_app(Starlette(routes=[Route("/model", describe_model, methods=["GET"])]), name="model")
@bentoml.service(
    name="VisualQualityGate",
    # One photo is decoded while another is in the network; more threads would hold more decoded photos in memory.
    threads=2,
    traffic={"timeout": 30, "max_concurrency": 32},
    # Served photos may be confidential: to be reachable from outside is a choice, made with --host.
    http={"host": "127.0.0.1"},
)
class QualityGateService:
    """Says of a photo what it shows, and whether to accept the answer or send it to review."""

    def __init__(self) -> None:
        self._classifier = OnnxClassifier(MODEL_FOLDER)

    @bentoml.api(input_spec=PhotoForm, output_spec=Answer)
    def predict(self, image: UploadFile | JSONResponse) -> Answer | JSONResponse:
        """Classify the photo in the multipart field `image`."""
        if isinstance(image, JSONResponse):
            return image
        try:
            decision = self._classifier.predict([image.file.read()])[0]
        except UnreadableImage as error:
            return refuse(f"The photo in the field '{FIELD}' cannot be used: {error}.")
        return Answer(**decision.to_json())


QualityGateService.add_asgi_middleware(BodyLimit)
