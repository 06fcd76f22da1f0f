import os

from quality_gate.processors import available_processors


def test_the_processors_are_those_the_process_may_run_on(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 3, 5}, raising=False)

    assert available_processors() == 3


def test_without_an_affinity_all_processors_count_and_at_least_one(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_processors() == 6

    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_processors() == 1
