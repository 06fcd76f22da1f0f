import fcntl
import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from quality_gate.review.photos import PhotoStore, PhotosUnavailable

DAY = 86_400


def sha(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path):
    return PhotoStore(tmp_path / "photos", max_bytes=100, retention=timedelta(days=10))


def keep(store, data, *, days=0.0):
    """Keep a photo that came so many days ago."""
    store.keep(sha(data), data)
    came = time.time() - days * DAY
    os.utime(store.path(sha(data)), (came, came))
    return sha(data)


def nobody(photos):
    return set()


def files(store):
    return sorted(path.name for path in store.folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def test_a_photo_comes_back_as_it_was_and_takes_one_file(store):
    keep(store, b"one")
    keep(store, b"one")
    assert store.read(sha(b"one")) == b"one"
    assert store.holds(sha(b"one"))
    assert files(store) == [sha(b"one")]


def test_all_that_is_kept_can_be_named_and_nothing_else_is(store):
    assert store.names() == set()
    keep(store, b"one")
    keep(store, b"two")
    (store.folder / sha(b"one")[:2] / "unfinished.new").write_bytes(b"on")
    (store.folder / "0f").write_bytes(b"no folder")
    assert store.names() == {sha(b"one"), sha(b"two")}


@pytest.mark.parametrize("name", ["", "./../secret", "../secret", "f" * 64, "F" * 64, "a" * 63 + "\n"])
def test_what_is_not_kept_is_nothing(store, name):
    keep(store, b"one")
    (store.folder.parent / "secret").write_bytes(b"secret")
    assert store.read(name) is None
    assert not store.holds(name)


def test_photos_are_readable_for_nobody_else(store):
    keep(store, b"one")
    assert store.path(sha(b"one")).stat().st_mode & 0o077 == 0
    assert store.path(sha(b"one")).parent.stat().st_mode & 0o077 == 0


def test_a_disk_that_fails_is_told_and_leaves_nothing_behind(store, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(PhotosUnavailable, match=r"a photo cannot be kept there \(No space left on device\)"):
        store.keep(sha(b"one"), b"one")
    assert files(store) == []


def test_old_photos_are_deleted(store):
    keep(store, b"old", days=11)
    keep(store, b"new", days=9)
    assert store.sweep(nobody) == 1
    assert files(store) == [sha(b"new")]


def test_a_photo_that_comes_again_is_kept_anew(store):
    keep(store, b"one", days=11)
    store.keep(sha(b"one"), b"one")
    assert store.sweep(nobody) == 0
    assert files(store) == [sha(b"one")]


def test_a_photo_that_comes_again_at_the_moment_it_is_deleted_is_kept(store, monkeypatch):
    old, unlink = keep(store, b"old", days=11), Path.unlink

    def comes_again(path, **options):
        store.keep(old, b"old")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", comes_again)
    store.sweep(nobody)
    assert store.read(old) == b"old"


def test_of_too_much_the_oldest_that_a_retraining_has_taken_go_first_then_the_oldest(store, tmp_path):
    photos = {days: keep(store, bytes([days]) * 30, days=days) for days in range(1, 7)}
    # The third is reviewed, and its label would be lost with it; the first is taken, and somebody may still look at it.
    reviewed = {photos[2], photos[4], photos[3]}
    for days in (1, 2, 4):
        os.link(store.path(photos[days]), tmp_path / f"taken {days}")
    assert store.sweep(lambda asked: reviewed & set(asked)) == 3
    assert files(store) == sorted(photos[days] for days in (1, 3, 5))


def test_what_fits_is_left_and_nobody_asked(store):
    keep(store, b"x" * 100)

    def never(_photos):
        raise AssertionError

    assert store.sweep(never) == 0


def test_two_never_sweep_at_once(store):
    keep(store, b"old", days=11)
    with (store.folder / ".sweeping").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert store.sweep(nobody) == 0
    assert store.sweep(nobody) == 1


def test_where_nothing_was_kept_there_is_nothing_to_sweep(store):
    assert store.sweep(nobody) == 0
    assert not store.folder.exists()


def test_what_a_killed_process_left_is_deleted_after_an_hour(store):
    keep(store, b"one")
    folder = store.path(sha(b"one")).parent
    for name, hours in (("left.new", 2), ("at work.new", 0)):
        (folder / name).write_bytes(b"half")
        came = time.time() - 3600 * hours
        os.utime(folder / name, (came, came))
    store.sweep(nobody)
    assert files(store) == sorted(["at work.new", sha(b"one")])
