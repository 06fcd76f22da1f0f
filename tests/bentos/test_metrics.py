import os

from bentos.metrics import ServiceMetrics
from quality_gate.monitoring.outbox import Backlog
from quality_gate.review.verdict import ReviewQueue


def test_requests_are_counted_by_endpoint_and_status():
    metrics = ServiceMetrics(lambda: Backlog(3, 1.5, 2))
    metrics.count_request("predict", 200, 0.012)
    metrics.count_request("predict", 429, 0.001)
    metrics.queue_changed(2)
    metrics.queue_changed(-1)

    text = metrics.exposition(ReviewQueue(waiting=5, leased=2, missing=1)).decode()

    assert 'quality_gate_requests_total{endpoint="predict",status="429"} 1.0' in text
    assert 'quality_gate_request_seconds_bucket{endpoint="predict",le="0.015"} 2.0' in text
    assert "quality_gate_queue_depth 1.0" in text
    assert "quality_gate_outbox_rows 3.0" in text
    assert "quality_gate_outbox_oldest_seconds 1.5" in text
    assert "quality_gate_outbox_refused 2.0" in text
    assert "quality_gate_review_waiting 5.0" in text
    assert "quality_gate_review_leased 2.0" in text
    assert "quality_gate_review_waiting NaN" in metrics.exposition(None).decode()


def test_what_waited_in_a_killed_worker_is_forgotten(tmp_path, monkeypatch):
    # No process has this id: it is above the highest that Linux gives out.
    dead, alive = tmp_path / "gauge_livesum_4194305.db", tmp_path / f"gauge_livesum_{os.getpid()}.db"
    counters = tmp_path / "counter_4194305.db"
    for file in (dead, alive, counters):
        file.write_bytes(b"")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    ServiceMetrics(lambda: Backlog(0, 0.0, 0))

    assert not dead.exists()
    assert alive.exists()
    assert counters.exists()
