"""The served gate: a photo in, an answer and its way (accept or review) out.

Runs inside a Bento, which carries the model in ``model/`` beside this file. ``bentoml serve NAME:latest`` listens on
127.0.0.1 unless ``--host`` says otherwise. ``bentos.settings`` says what environment variables set.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml

from bentos.limits import App, Receive, Scope, Send
from bentos.routing import Router
from bentos.settings import ServiceSettings
from quality_gate.models.manifest import ModelManifest
from quality_gate.monitoring.log_settings import read_log_settings
from quality_gate.review.settings import read_review_settings

if TYPE_CHECKING:
    from bentos.application import GateApplication

MODEL_FOLDER = Path(__file__).resolve().parent / "model"
BENTO = MODEL_FOLDER.parents[2]


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
        # Here, in the worker: the process that only watches over it starts sooner without.
        from bentos.composition import Composition
        from bentos.model_watch import ModelWatch
        from bentos.prediction_sink import PredictionSink
        from bentos.request_log import RequestLog
        from bentos.review_backend import ReviewBackend

        log, reviews = read_log_settings(), read_review_settings()
        self._sink = PredictionSink(log, reviews.open_intake(durable=log.durability == "power_loss"))
        self._reviews = ReviewBackend(log.open_database, reviews, RequestLog())
        composition = Composition(ServiceSettings.from_environment(os.environ), self._sink, self._reviews)
        self.application = composition.application(MODEL_FOLDER)
        self._watch = ModelWatch(
            BENTO, lambda folder: self.application.switch(composition.endpoints(folder)), RequestLog()
        )
        self._watch.start()

    @bentoml.on_shutdown
    def close(self) -> None:
        """Leave nothing waiting that the database would take now."""
        self._watch.close()
        self._reviews.close()
        self._sink.close()

    @bentoml.on_deployment
    def check_settings() -> None:
        """Say once, before any worker starts, what is wrong with the settings."""
        Router(ModelManifest.load(MODEL_FOLDER), ServiceSettings.from_environment(os.environ).costs)
        read_log_settings()
        read_review_settings()


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
