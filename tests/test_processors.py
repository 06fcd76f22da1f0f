import os

import pytest

from quality_gate.processors import available_processors

OLDER = {"cpu/cpu.cfs_period_us": "100000\n"}


@pytest.fixture
def of_six(monkeypatch):
    """A process that may run on six processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(6)), raising=False)


def test_the_processors_are_those_the_process_may_run_on(of_six, tmp_path):
    assert available_processors(tmp_path) == 6


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu.max": "900000 100000\n"}, 6),
        ({"cpu.max": "max 100000\n"}, 6),
        ({"cpu.max": "\n"}, 6),
        (OLDER | {"cpu/cpu.cfs_quota_us": "200000\n"}, 2),
        (OLDER | {"cpu/cpu.cfs_quota_us": "1000\n"}, 1),
        (OLDER | {"cpu/cpu.cfs_quota_us": "-1\n"}, 6),
        (OLDER, 6),
    ],
)
def test_a_container_has_no_more_than_its_limit_keeps_busy(of_six, tmp_path, shown, expected):
    for name, text in shown.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert available_processors(tmp_path) == expected


def test_without_an_affinity_all_processors_count_and_at_least_one(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_processors(tmp_path) == 6

    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_processors(tmp_path) == 1
