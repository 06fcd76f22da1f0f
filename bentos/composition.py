"""Puts the parts of the service together."""

from pathlib import Path

from bentos.answers import Answerer, AnswerSink
from bentos.application import GateApplication
from bentos.authentication import KeyRing
from bentos.endpoints import Endpoints
from bentos.explanation import PhotoExplainer
from bentos.metrics import ServiceMetrics
from bentos.model_card import describe
from bentos.openapi import openapi_endpoint
from bentos.page import page_endpoints
from bentos.request_log import RequestLog
from bentos.routing import Router
from bentos.settings import ServiceSettings
from bentos.worker_pool import WorkerPool
from quality_gate.inference import OnnxClassifier


def build_application(folder: Path, settings: ServiceSettings, sink: AnswerSink) -> GateApplication:
    """The application that serves the model in ``folder`` and records its answers in ``sink``.

    Raises:
        UserError: the settings do not fit the model.
        UnknownModelFormat: the folder holds no model that can be read.
    """
    # One thread an inference: photos are worked on side by side, and one alone gains little from a second.
    classifier = OnnxClassifier(folder, threads=1)
    manifest = classifier.manifest
    router = Router(manifest, settings.costs)
    explainer = PhotoExplainer(folder, classifier)
    metrics = ServiceMetrics(f"{manifest.name}:{manifest.version or 'candidate'}", sink.backlog)
    endpoints = Endpoints(
        answerer=Answerer(classifier, router, settings, sink),
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
