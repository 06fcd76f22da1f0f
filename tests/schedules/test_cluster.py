"""Schedules that a cluster starts: kept as all others, and started by whatever speaks with the cluster."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from quality_gate.errors import UserError
from quality_gate.schedules import cluster, installation
from quality_gate.schedules.schedule import ScheduleStore

NOW = datetime(2026, 3, 4)


class FakeCluster:
    """Keeps what it is told to start."""

    def __init__(self):
        self.started = {}

    def install(self, name, every):
        self.started[name] = every

    def remove(self, name):
        self.started.pop(name, None)

    def is_installed(self, name):
        return name in self.started


@pytest.fixture
def there(monkeypatch):
    made = FakeCluster()
    points = {cluster.GROUP: [SimpleNamespace(load=lambda: made)]}
    monkeypatch.setattr(cluster, "entry_points", lambda group: points.get(group, []))
    return made


def install(home, **options):
    return installation.install(home, "retraining", check=lambda *_: None, backend="cluster", **options)


def test_a_cluster_starts_it_at_the_same_times_and_its_record_is_kept_in_the_home(home, there):
    install(home, every="weekly on sunday at 02:30")
    assert there.started == {"retraining": "weekly on sunday at 02:30"}
    assert ScheduleStore(home.schedules).load("retraining").backend == "cluster"
    (listed,) = installation.listed(home, NOW)
    assert listed.next_due is not None


def test_removed_it_is_started_no_more(home, there):
    install(home)
    installation.remove(home, "retraining")
    assert there.started == {}
    assert ScheduleStore(home.schedules).names() == []


def test_one_that_the_cluster_has_lost_is_not_due(home, there):
    install(home)
    there.started.clear()
    (listed,) = installation.listed(home, NOW)
    assert listed.next_due is None


def test_without_anything_that_speaks_with_a_cluster_it_is_one_sentence_and_nothing_is_kept(home, monkeypatch):
    monkeypatch.setattr(cluster, "entry_points", lambda group: [])
    with pytest.raises(UserError, match="Nothing here speaks with a cluster"):
        install(home)
    assert ScheduleStore(home.schedules).names() == []
