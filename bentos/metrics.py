"""What Prometheus reads of the service. No label comes from what a client sends, so that none can fill the memory."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from bentos.answers import AnsweredPhoto
from quality_gate.monitoring.outbox import Backlog
from quality_gate.review.verdict import ReviewQueue

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class ServiceMetrics:
    """The service's metrics; those of all workers are added up when they are read.

    Args:
        backlog: tells of the answers of all workers that wait for the prediction log.
    """

    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        self._registry = CollectorRegistry()
        self._forget_dead_workers()
        self._requests = Counter(
            "quality_gate_requests_total",
            "Requests, by endpoint and status.",
            ("endpoint", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "quality_gate_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._decisions = Counter(
            "quality_gate_decisions_total",
            "Answered photos, by label and decision.",
            ("label", "decision", "model_version"),
            registry=self._registry,
        )
        self._confidence = Histogram(
            "quality_gate_confidence",
            "Confidence of the answers.",
            buckets=_SHARES,
            registry=self._registry,
        )
        self._brightness = Histogram(
            "quality_gate_brightness",
            "Mean grey level of the answered photos, from 0 to 1.",
            buckets=_SHARES,
            registry=self._registry,
        )
        self._queue = Gauge(
            "quality_gate_queue_depth",
            "Photos that wait for a free thread.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        # The workers share the outbox: what one of them found last is true of all.
        self._outbox_rows = Gauge(
            "quality_gate_outbox_rows",
            "Answers that wait for the prediction log.",
            multiprocess_mode="livemostrecent",
            registry=self._registry,
        )
        self._outbox_oldest = Gauge(
            "quality_gate_outbox_oldest_seconds",
            "How long the oldest of these waits.",
            multiprocess_mode="livemostrecent",
            registry=self._registry,
        )
        self._outbox_refused = Gauge(
            "quality_gate_outbox_refused",
            "Answers that the prediction log refused and that were set aside.",
            multiprocess_mode="livemostrecent",
            registry=self._registry,
        )
        # All servers count the same queue in the same database.
        self._review_waiting = Gauge(
            "quality_gate_review_waiting",
            "Photos that wait for review and whose files are there; not a number while that cannot be told.",
            multiprocess_mode="livemostrecent",
            registry=self._registry,
        )
        self._review_leased = Gauge(
            "quality_gate_review_leased",
            "Of these, how many somebody looks at now.",
            multiprocess_mode="livemostrecent",
            registry=self._registry,
        )
        self._backlog = backlog

    def count_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request that was answered; ``endpoint`` is one of few names."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def count_answers(self, answered: Sequence[AnsweredPhoto]) -> None:
        """Count answers that a client gets."""
        for photo in answered:
            self._decisions.labels(photo.answer.label, photo.answer.decision, photo.answer.model_version).inc()
            self._confidence.observe(photo.answer.confidence)
            self._brightness.observe(photo.statistics.brightness)

    def queue_changed(self, change: int) -> None:
        """Note that ``change`` more photos wait for a thread."""
        self._queue.inc(change)

    def exposition(self, queue: ReviewQueue | None) -> bytes:
        """All metrics in Prometheus' text format.

        Args:
            queue: what waits for review; None while that cannot be told.
        """
        self._review_waiting.set(queue.waiting if queue else math.nan)
        self._review_leased.set(queue.leased if queue else math.nan)
        backlog = self._backlog()
        self._outbox_rows.set(backlog.rows)
        self._outbox_oldest.set(backlog.oldest_seconds)
        self._outbox_refused.set(backlog.refused)
        if _MULTIPROCESS not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _forget_dead_workers(self) -> None:
        """Take gauges of killed workers out, which would count as waiting for ever."""
        folder = os.environ.get(_MULTIPROCESS)
        for file in Path(folder).glob("gauge_live*_*.db") if folder else ():
            worker = file.stem.rsplit("_", 1)[1]
            if worker.isdigit() and not Path("/proc", worker).exists() and Path("/proc").exists():
                file.unlink(missing_ok=True)
