"""The served gate: a photo in, an answer and its way (accept or review) out.

Runs inside a Bento, which carries the model in ``model/`` beside this file. ``bentoml serve NAME:latest`` listens on
127.0.0.1 unless ``--host`` says otherwise. ``bentos.settings`` says what environment variables set.
"""

import os
from pathlib import Path

import bentoml

from bentos.answers import Answerer, NoSink
from bentos.application import GateApplication
from bentos.authentication import KeyRing
from bentos.endpoints import Endpoints
from bentos.explanation import PhotoExplainer
from bentos.limits import App, Receive, Scope, Send
from bentos.metrics import ServiceMetrics
from bentos.model_card import describe
from bentos.openapi import openapi_endpoint
from bentos.page import page_endpoints
from bentos.request_log import RequestLog
from bentos.routing import Router
from bentos.settings import ServiceSettings
from bentos.worker_pool import WorkerPool
from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import ModelManifest

MODEL_FOLDER = Path(__file__).resolve().parent / "model"


def build_application(folder: Path, settings: ServiceSettings) -> GateApplication:
    """The application that serves the model in ``folder``.

    Raises:
        UserError: the settings do not fit the model.
        UnknownModelFormat: the folder holds no model that can be read.
    """
    # One thread an inference: photos are worked on side by side, and one alone gains little from a second.
    classifier = OnnxClassifier(folder, threads=1)
    manifest = classifier.manifest
    router = Router(manifest, settings.costs)
    explainer = PhotoExplainer(folder, classifier)
    metrics = ServiceMetrics(f"{manifest.name}:{manifest.version or 'candidate'}")
    endpoints = Endpoints(
        # The sink is where an answered photo becomes a record.
        answerer=Answerer(classifier, router, settings, NoSink()),
        explainer=explainer,
        router=router,
        settings=settings,
        pool=WorkerPool(settings.worker_threads, metrics.queue_changed),
        metrics=metrics,
        model=describe(folder, manifest, settings, explains=explainer.exact),
    )
    keys = KeyRing([key.get_secret_value() for key in settings.api_keys])
    table = {**endpoints.table(), **page_endpoints()}
    table["/openapi.json"] = openapi_endpoint(manifest, settings)
    return GateApplication(
        table,
        keys,
        metrics,
        RequestLog(),
        max_concurrency=settings.max_concurrency,
        timeout_s=settings.request_timeout_s,
    )


@bentoml.service(
    name="VisualQualityGate",
    # Limits, metrics and the log are the application's own. BentoML's time limit cannot be switched off, and keeps a
    # timer of every request that long: it is a little above the longest that the settings allow.
    traffic={"timeout": 120},
    # Tracing costs a request more than all else that is not the photo; nothing here collects it.
    tracing={"excluded_urls": ".*"},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # Served photos may be confidential: to be reachable from outside is a choice, made with --host.
    http={"host": "127.0.0.1"},
)
class QualityGateService:
    """Says of a photo what it shows, and whether to accept the answer or send it to review."""

    def __init__(self) -> None:
        self.application = build_application(MODEL_FOLDER, ServiceSettings.from_environment(os.environ))

    @bentoml.on_deployment
    def check_settings() -> None:  # type: ignore[misc]  # BentoML makes it a static method
        """Say once, before any worker starts, what is wrong with the settings."""
        Router(ModelManifest.load(MODEL_FOLDER), ServiceSettings.from_environment(os.environ).costs)


class GateMiddleware:
    """Hands requests to the application of the worker's service; BentoML's own ``app`` answers only health probes."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._application: GateApplication | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            if self._application is None:
                self._application = bentoml.get_current_service().application
            await self._application(scope, receive, send, self._app)


QualityGateService.add_asgi_middleware(GateMiddleware)
