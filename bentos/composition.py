"""Puts the parts of the service together."""

from collections.abc import Mapping
from pathlib import Path

from bentos.answers import Answerer, AnswerSink
from bentos.application import GateApplication
from bentos.authentication import KeyRing
from bentos.endpoints import Endpoint, Endpoints
from bentos.explanation import PhotoExplainer
from bentos.metrics import ServiceMetrics
from bentos.model_card import describe
from bentos.openapi import openapi_endpoint
from bentos.page import page_endpoints
from bentos.queue_count import QueueCount
from bentos.request_log import RequestLog
from bentos.review_backend import ReviewBackend
from bentos.review_endpoints import ReviewEndpoints
from bentos.routing import Router
from bentos.settings import ServiceSettings
from bentos.worker_pool import WorkerPool
from quality_gate.inference import OnnxClassifier

# Threads of their own: while an answer waits for the disk, its processor works on the next photo. What they append at
# the same time goes to the disk together, so that few are enough for slow disks too.
_RECORDERS = 8


class Composition:
    """The service of a worker: what stays while it runs, and what comes with each model.

    Args:
        settings: of the service.
        sink: where answers are recorded.
        reviews: what the review page works with.
    """

    def __init__(self, settings: ServiceSettings, sink: AnswerSink, reviews: ReviewBackend) -> None:
        self._reviews = reviews
        self._settings = settings
        self._sink = sink
        self._metrics = ServiceMetrics(sink.backlog)
        self._pool = WorkerPool(settings.worker_threads, self._metrics.queue_changed)
        self._recorders = WorkerPool(_RECORDERS, lambda _change: None)

    def application(self, folder: Path) -> GateApplication:
        """The application that serves the model in ``folder``.

        Raises:
            UserError: the settings do not fit the model.
            UnknownModelFormat: the folder holds no model that can be read.
        """
        return GateApplication(
            self.endpoints(folder),
            KeyRing([key.get_secret_value() for key in self._settings.api_keys]),
            self._metrics,
            RequestLog(),
            max_concurrency=self._settings.max_concurrency,
            timeout_s=self._settings.request_timeout_s,
        )

    def endpoints(self, folder: Path) -> Mapping[str, Endpoint]:
        """What the addresses of the service answer with the model in ``folder``.

        Raises:
            UserError: the settings do not fit the model.
            UnknownModelFormat: the folder holds no model that can be read.
        """
        # One thread an inference: photos are worked on side by side, and one alone gains little from a second.
        classifier = OnnxClassifier(folder, threads=1)
        manifest, settings = classifier.manifest, self._settings
        router = Router(manifest, settings.costs)
        explainer = PhotoExplainer(folder, classifier)
        reviews = ReviewEndpoints(self._reviews, manifest)
        endpoints = Endpoints(
            answerer=Answerer(classifier, router, settings, self._sink),
            explainer=explainer,
            router=router,
            settings=settings,
            pool=self._pool,
            recorders=self._recorders,
            metrics=self._metrics,
            queue=QueueCount(reviews.count, self._reviews.pool),
            model=describe(folder, manifest, settings, explains=explainer.exact),
        )
        table = {**endpoints.table(), **reviews.table(), **page_endpoints()}
        table["/openapi.json"] = openapi_endpoint(manifest, settings)
        return table
