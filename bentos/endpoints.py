"""What each address of the service answers."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from bentos.answers import AnsweredPhoto, Answerer
from bentos.exchange import Exchange
from bentos.explanation import Explanation, PhotoExplainer
from bentos.metrics import CONTENT_TYPE, ServiceMetrics
from bentos.queue_count import QueueCount
from bentos.refusals import Refusal, unusable
from bentos.routing import Router
from bentos.settings import ServiceSettings
from bentos.upload import Photo
from bentos.worker_pool import WorkerPool
from quality_gate.inference import Decision

FIELD = "image"
BATCH_FIELD = "images"
# All that may be said besides the photos, in the query or the form.
PREDICT_OPTIONS = ("threshold",)
EXPLAIN_OPTIONS = ("label", "overlay")

# Of a file name that is said back; what is longer helps nobody to find the file.
_NAME_CHARACTERS = 255


@dataclass(frozen=True)
class Endpoint:
    """What an address answers.

    Attributes:
        name: in the log and the metrics.
        method: GET (HEAD too) or POST.
        answer: makes the response.
        public: whether it is answered without an API key; so is nothing that tells of the model or of photos.
    """

    name: str
    method: str
    answer: Callable[[Exchange], Awaitable[Response]]
    public: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are answered."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


@dataclass(frozen=True)
class Endpoints:
    """The endpoints about photos and the model.

    Attributes:
        answerer: answers photos.
        explainer: explains answers.
        router: checks the thresholds of requests.
        settings: of the service.
        pool: where photos are worked on.
        recorders: where answers are recorded, which is mostly waiting for the disk.
        metrics: counts the answers.
        queue: counts what waits for review.
        model: what ``GET /model`` says.
    """

    answerer: Answerer
    explainer: PhotoExplainer
    router: Router
    settings: ServiceSettings
    pool: WorkerPool
    recorders: WorkerPool
    metrics: ServiceMetrics
    queue: QueueCount
    model: Mapping[str, Any]

    def table(self) -> dict[str, Endpoint]:
        """The endpoints by path."""
        return {
            "/predict": Endpoint("predict", "POST", self.predict),
            "/predict_batch": Endpoint("predict_batch", "POST", self.predict_batch),
            "/explain": Endpoint("explain", "POST", self.explain),
            "/model": Endpoint("model", "GET", self.describe_model),
            "/metrics": Endpoint("metrics", "GET", self.expose_metrics),
        }

    async def predict(self, exchange: Exchange) -> Response:
        """``POST /predict``: the answer for one photo."""
        upload = await exchange.upload(
            max_bytes=self.settings.max_body_bytes,
            photo_field=FIELD,
            max_photos=1,
            bare=True,
            options=PREDICT_OPTIONS,
        )
        threshold = self.router.threshold(exchange.option("threshold", upload))
        answered = await self.pool.run(self.answerer.answer, upload.photos[0], threshold, exchange.arrived)
        await self.recorders.run(self.answerer.record, [answered])
        self._count(exchange, [answered])
        return JSONResponse(answered.answer.to_json())

    async def predict_batch(self, exchange: Exchange) -> Response:
        """``POST /predict_batch``: an answer or an error for each photo, in order."""
        upload = await exchange.upload(
            max_bytes=self.settings.max_body_bytes,
            photo_field=BATCH_FIELD,
            max_photos=self.settings.max_batch,
            bare=False,
            options=PREDICT_OPTIONS,
        )
        threshold = self.router.threshold(exchange.option("threshold", upload))
        # No more at a time than there are threads, so that photos of other requests come in between.
        free = asyncio.Semaphore(self.pool.threads)

        async def one(photo: Photo) -> AnsweredPhoto | Refusal:
            async with free:
                try:
                    return await self.pool.run(self.answerer.answer, photo, threshold, exchange.arrived)
                except Refusal as refusal:
                    return refusal

        results = await asyncio.gather(*map(one, upload.photos))
        answered = [result for result in results if isinstance(result, AnsweredPhoto)]
        if answered:
            await self.recorders.run(self.answerer.record, answered)
        self._count(exchange, answered)
        exchange.decisions["refused"] += len(results) - len(answered)
        named = zip(upload.photos, results, strict=True)
        return JSONResponse({"answers": [_batch_item(photo, result) for photo, result in named]})

    async def explain(self, exchange: Exchange) -> Response:
        """``POST /explain``: what in a photo speaks for a label."""
        upload = await exchange.upload(
            max_bytes=self.settings.max_body_bytes,
            photo_field=FIELD,
            max_photos=1,
            bare=True,
            options=EXPLAIN_OPTIONS,
        )
        index = self.explainer.class_index(exchange.option("label", upload))
        with_overlay = _boolean("overlay", exchange.option("overlay", upload))

        def classify_and_explain() -> tuple[Decision, Explanation]:
            image = self.answerer.read(upload.photos[0])
            decision = self.router.route(self.answerer.classify(image), self.router.certified)
            return decision, self.explainer.explain(image, decision, index)

        decision, explanation = await self.pool.run(classify_and_explain)
        if _prefers_png(exchange.headers.get("accept", "")):
            return Response(explanation.overlay, media_type="image/png")
        overlay = base64.b64encode(explanation.overlay).decode() if with_overlay else None
        return JSONResponse(
            {
                "label": explanation.label,
                "answer": decision.to_json(),
                "map": explanation.activation.round(6).tolist(),
                "overlay": overlay,
            }
        )

    async def describe_model(self, _exchange: Exchange) -> Response:
        """``GET /model``."""
        return JSONResponse(self.model)

    async def expose_metrics(self, _exchange: Exchange) -> Response:
        """``GET /metrics``."""
        return Response(self.metrics.exposition(await self.queue.now()), headers={"Content-Type": CONTENT_TYPE})

    def _count(self, exchange: Exchange, answered: list[AnsweredPhoto]) -> None:
        self.metrics.count_answers(answered)
        exchange.decisions.update(photo.answer.decision for photo in answered)


def _batch_item(photo: Photo, result: AnsweredPhoto | Refusal) -> dict[str, Any]:
    name = photo.name[:_NAME_CHARACTERS]
    if isinstance(result, Refusal):
        return {"name": name, "status": result.status, "error": result.sentence}
    return {"name": name, "status": 200, "answer": result.answer.to_json()}


def _boolean(name: str, value: str | None) -> bool:
    if value not in (None, "true", "false"):
        raise unusable(f"{name}: expected true or false.")
    return value != "false"


def _prefers_png(accept: str) -> bool:
    """Whether a picture is named before JSON or anything."""
    for part in accept.lower().split(","):
        kind = part.partition(";")[0].strip()
        if kind in ("image/png", "image/*"):
            return True
        if kind in ("application/json", "application/*", "*/*"):
            return False
    return False
