import os
import threading
from datetime import timedelta
from uuid import uuid4

import pytest

from quality_gate.monitoring.database import LogUnavailable
from quality_gate.review.photos import PhotoStore
from quality_gate.review.sweeping import PhotoSweeper, sweep_photos


@pytest.fixture
def store(tmp_path):
    return PhotoStore(tmp_path / "photos", max_bytes=25, retention=timedelta(days=10))


def kept(store):
    return {path.name for path in store.folder.glob("*/*")}


def test_of_too_many_photos_the_reviewed_ones_go_that_a_retraining_has(store, desk, put, review_of, database, tmp_path):
    unreviewed, skipped, reviewed, taken_back = put({}, {}, {}, {})
    mistake = review_of(taken_back.image_sha256, "onion")
    for review in (review_of(skipped.image_sha256, "skip"), review_of(reviewed.image_sha256, None), mistake):
        desk.record(review)
    desk.undo(mistake.id, "ana", uuid4(), store.holds)
    for one in (unreviewed, skipped, reviewed, taken_back):
        store.keep(one.image_sha256, b"x" * 8)
        os.link(store.path(one.image_sha256), tmp_path / one.image_sha256)

    assert sweep_photos(store, lambda: database) == 1
    assert kept(store) == {one.image_sha256 for one in (unreviewed, skipped, taken_back)}


def test_while_the_database_is_away_the_limit_holds_all_the_same(store):
    for number in range(4):
        store.keep(f"{number:064x}", b"x" * 8)

    def away():
        raise LogUnavailable

    assert sweep_photos(store, away) == 1


def test_the_thread_goes_on_after_a_sweep_that_failed(store):
    failed, again = [], threading.Event()

    def sweep(_reviewed):
        if failed:
            again.set()
        raise OSError("no disk")

    store.sweep = sweep
    sweeper = PhotoSweeper(store, lambda: None, failed.append, every_seconds=0.01)
    sweeper.start()
    assert again.wait(30)
    sweeper.close()
    assert str(failed[0]) == "no disk"
