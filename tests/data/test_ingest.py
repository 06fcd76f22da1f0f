"""Snapshots of sources that grow, shrink and change, as fresh ones are."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path

import pandas as pd
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data import audit, former_ingest, ingest, shards
from quality_gate.data.image_facts import audit_bytes
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.shards import index_shard
from quality_gate.data.snapshot import Snapshot
from quality_gate.data.sources import discover, local
from quality_gate.data_settings import DataSettings
from quality_gate.errors import UserError

PATHS = tuple(f"{label}/{number}.png" for label in "ab" for number in range(5))


@pytest.fixture
def settled(monkeypatch):
    """Files count as unchanged since their stamp was taken, however young they are."""
    monkeypatch.setattr(local, "COARSEST_CLOCK_NS", 0)


@pytest.fixture
def take(tmp_path):
    """Takes one snapshot after the other; each knows what the ones before found."""

    def run(*places, stores="stores", **options):
        folder = tmp_path / f"snapshot-{len(list(tmp_path.glob('snapshot-*')))}"
        return take_snapshot(
            discover(places, DataSettings(**options)), folder, stores=tmp_path / stores if stores else None, workers=2
        )

    return run


_opened = []
_listening = threading.Event()


def _listen(event, arguments):
    if event == "open" and _listening.is_set():
        _opened.append(str(arguments[0]))


@pytest.fixture(scope="session")
def audit_hook():
    sys.addaudithook(_listen)


@pytest.fixture
def opened(audit_hook):
    """The paths that this process opens while the test runs."""
    _opened.clear()
    _listening.set()
    yield _opened
    _listening.clear()


def photos_of(snapshot):
    """The stored photos, checked against their digests, and whether each is stored once."""
    places = [one for path in sorted((snapshot.folder / "shards").iterdir()) for one in index_shard(path)]
    image_ids = sorted({image_id for image_id in snapshot.table["image_id"] if image_id})
    assert sorted(image_id for image_id, _ in places) == image_ids
    return dict(zip(image_ids, snapshot.photos(image_ids), strict=True))


def assert_same(snapshot, fresh):
    assert snapshot.digest == fresh.digest
    assert snapshot.counts == fresh.counts
    assert snapshot.classes == fresh.classes
    pd.testing.assert_frame_equal(snapshot.table, fresh.table)
    assert photos_of(snapshot) == photos_of(fresh)


def test_a_first_ingest_reads_every_file_once(write_photos, take, opened):
    root = write_photos(*PATHS)
    opened.clear()
    ingested = take(root)
    assert (ingested.new, ingested.files) == (10, 10)
    assert sorted(path for path in opened if path.startswith(str(root)) and path.endswith("png")) == sorted(
        str(root / path) for path in PATHS
    )


@pytest.mark.usefixtures("settled")
def test_files_that_did_not_change_are_not_opened_again(write_photos, take, opened):
    root = write_photos(*PATHS)
    (root / "a" / "notes.txt").write_text("no photo")
    first = take(root)
    write_photos("b/new.png")
    opened.clear()
    second = take(root)
    assert [path for path in opened if path.startswith(str(root)) and Path(path).is_file()] == [str(root / "b/new.png")]
    assert (first.new, second.new, second.files) == (11, 1, 12)
    assert_same(second.snapshot, take(root, stores=None).snapshot)


@pytest.mark.usefixtures("settled")
def test_the_shards_of_unchanged_photos_are_the_same_files_on_the_disk(write_photos, take):
    root = write_photos(*PATHS)
    first, second = take(root).snapshot, take(root).snapshot
    shard = "shards/00000.parquet"
    assert (first.folder / shard).samefile(second.folder / shard)


def test_a_file_that_is_too_young_to_vouch_for_is_read_again(write_photos, take):
    root = write_photos(*PATHS)
    assert [take(root).new, take(root).new] == [10, 10]


@pytest.mark.usefixtures("settled")
def test_a_photo_that_was_removed_lives_on_in_no_shard(write_photos, take):
    root = write_photos(*PATHS)
    gone = (root / "a/2.png").read_bytes()
    take(root)
    (root / "a/2.png").unlink()
    second = take(root)
    assert second.new == 0
    assert all(gone not in path.read_bytes() for path in second.snapshot.folder.rglob("*") if path.is_file())
    stores = second.snapshot.folder.parent / "stores"
    assert all(gone not in path.read_bytes() for path in stores.rglob("*") if path.is_file())
    assert_same(second.snapshot, take(root, stores=None).snapshot)


@pytest.mark.usefixtures("settled")
def test_new_photos_leave_full_shards_alone_and_join_small_ones(write_photos, take, monkeypatch):
    size = 40 * 1000
    monkeypatch.setattr(shards, "SHARD_BYTES", size)
    monkeypatch.setattr(ingest, "SHARD_BYTES", size)
    root = write_photos(*(f"{label}/{number:03}.png" for label in "ab" for number in range(60)))
    first = take(root).snapshot
    full = [path for path in (first.folder / "shards").iterdir() if path.stat().st_size >= size // 2]
    for number in range(6):
        write_photos(f"a/z{number}.png")
        last = take(root).snapshot
    kept = [path for path in (last.folder / "shards").iterdir() if any(path.samefile(one) for one in full)]
    small = [path for path in (last.folder / "shards").iterdir() if path.stat().st_size < size // 2]
    assert len(kept) == len(full) > 1
    assert len(small) <= 1
    assert_same(last, take(root, stores=None).snapshot)


@pytest.mark.usefixtures("settled")
def test_a_source_that_joins_another_brings_only_its_own_photos(write_photos, take, tmp_path, encode_photo):
    root = write_photos(*PATHS)
    other = tmp_path / "other"
    shutil.copytree(root / "a", other / "a")
    (other / "c").mkdir()
    (other / "c" / "own.png").write_bytes(encode_photo(7))
    take(root)
    both = take(root, other)
    assert both.new == 6
    assert take(other).new == 0
    assert take(root, other).new == 0
    assert_same(take(root, other).snapshot, take(root, other, stores=None).snapshot)


@pytest.mark.usefixtures("settled")
def test_other_labels_of_the_same_photos_need_no_reading(write_photos, take):
    root = write_photos(*PATHS, "c/1.png")
    take(root)
    second = take(root, label_map={"c": "a"})
    assert second.new == 0
    assert_same(second.snapshot, take(root, label_map={"c": "a"}, stores=None).snapshot)


@pytest.mark.usefixtures("settled")
def test_a_file_that_could_not_be_read_is_tried_again_and_one_that_is_no_photo_is_not(write_photos, take, monkeypatch):
    root = write_photos(*PATHS)
    (root / "a/notes.txt").write_text("no photo")
    read = local.LocalFile.read

    def refuse(file):
        from quality_gate.preprocess import UnreadableImage

        if file.name.endswith("b/3.png"):
            raise UnreadableImage("cannot be read (Permission denied)")
        return read(file)

    monkeypatch.setattr(local.LocalFile, "read", refuse)
    first = take(root)
    monkeypatch.undo()
    monkeypatch.setattr(local, "COARSEST_CLOCK_NS", 0)
    second = take(root)
    assert (first.snapshot.counts["unreadable"], second.snapshot.counts["unreadable"], second.new) == (2, 1, 1)


@pytest.mark.usefixtures("settled")
def test_other_code_reads_everything_again(write_photos, take, monkeypatch):
    root = write_photos(*PATHS)
    take(root)
    monkeypatch.setattr(former_ingest, "code_digest", lambda *_: "other")
    assert take(root).new == 10


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def shorten(path):
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", [flip, shorten, Path.unlink])
@pytest.mark.parametrize("number", range(3))
def test_whatever_is_damaged_in_the_store_counts_as_never_seen(write_photos, take, tmp_path, damage, number):
    root = write_photos(*PATHS)
    take(root)
    (store,) = (tmp_path / "stores").iterdir()
    files = [path for path in sorted(store.iterdir()) if path.name != "lock"]
    assert len(files) == 3
    damage(files[number])
    again = take(root)
    assert_same(again.snapshot, take(root, stores=None).snapshot)
    assert take(root).new == 0


@pytest.mark.usefixtures("settled")
def test_photos_in_a_bucket_are_fetched_once(write_photos, take, monkeypatch):
    from fsspec import filesystem

    memory = filesystem("memory")
    memory.store.clear()
    root = write_photos(*PATHS)
    for path in PATHS:
        memory.pipe(f"/photos/{path}", (root / path).read_bytes())
    monkeypatch.setattr("quality_gate.data.sources.remote._COARSEST_CLOCK_SECONDS", 0.0)
    fetched, read = [], type(memory).cat_file
    monkeypatch.setattr(type(memory), "cat_file", lambda self, path: (fetched.append(path), read(self, path))[1])
    first = take("memory://photos")
    memory.pipe("/photos/b/new.png", (root / "a/1.png").read_bytes())
    second = take("memory://photos")
    assert (first.new, second.new) == (10, 1)
    assert sorted(fetched) == sorted(f"/photos/{path}" for path in [*PATHS, "b/new.png"])
    assert_same(second.snapshot, take("memory://photos", stores=None).snapshot)
    memory.store.clear()


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "change", "copy", "damage", "move"]), st.integers(0, 30), st.integers(0, 30)
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def encoded(encode_photo):
    return [encode_photo(number) for number in range(40)]


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(CHANGES, min_size=1, max_size=4))
def test_after_any_changes_the_snapshot_is_that_of_a_fresh_ingest(encoded, rounds):
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "COARSEST_CLOCK_NS", 0)
        patch.setattr(shards, "SHARD_BYTES", 3000)
        patch.setattr(shards, "ROW_GROUP_BYTES", 1000)
        patch.setattr(ingest, "SHARD_BYTES", 3000)
        folder = Path(temporary)
        for label in "ab":
            (folder / "photos" / label).mkdir(parents=True)
            (folder / "photos" / label / "first.png").write_bytes(encoded[ord(label) - 70])
        for number, changes in enumerate(rounds):
            for change in changes:
                apply(folder / "photos", encoded, number, *change)
            source = discover(folder / "photos")
            grown = take_snapshot(source, folder / f"{number}", stores=folder / "stores", workers=1)
            assert_same(grown.snapshot, take_snapshot(source, folder / f"{number} fresh", workers=1).snapshot)


def apply(root, encoded, number, kind, first, second):
    """One change of a folder of photos; the class folders never become empty."""
    files = sorted(path for path in root.rglob("*.png") if path.name != "first.png")
    target = root / "ab"[first % 2] / f"{second:02}.png"
    chosen = files[first % len(files)] if files else None
    if kind == "add" or chosen is None:
        target.write_bytes(encoded[second])
    elif kind == "remove":
        chosen.unlink()
    elif kind == "copy":
        shutil.copyfile(chosen, target) if target != chosen else None
    elif kind == "move":
        chosen.replace(target)
    else:
        chosen.write_bytes(encoded[second] if kind == "change" else b"no photo")
        # A clock that stands still between two changes is what COARSEST_CLOCK_NS is for.
        os.utime(chosen, ns=(0, 10**18 + number))


# Takes a snapshot again and again, each time from the same store, and is killed one step later each time: a child of
# this process is, since starting anew takes longer than ingesting. Says how many children were killed.
KILL_EACH = """
import os, shutil, signal, sys
from pathlib import Path
import pandas, pyarrow.parquet
from quality_gate.data.image_facts import audit_bytes
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.sources import discover, local

root, folder = Path(sys.argv[1]), Path(sys.argv[2])
STEPS = ("open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir")
local.COARSEST_CLOCK_NS = 0

def ingest(place, last):
    seen = 0
    def count(event, arguments):
        nonlocal seen
        if event in STEPS and any(str(place) in str(argument) for argument in arguments):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    take_snapshot(discover(root), place / "snapshot", stores=place / "stores", workers=1)

killed = 0
while True:
    place = folder / str(killed)
    shutil.copytree(folder / "stores", place / "stores")
    child = os.fork()
    if child == 0:
        ingest(place, killed + 1)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    killed += 1
print(killed)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("settled")
def test_a_process_killed_at_any_moment_leaves_a_store_of_use_and_no_half_snapshot(write_photos, take, tmp_path):
    root = write_photos(*PATHS)
    take(root)
    write_photos("a/new.png")
    (root / "b/0.png").unlink()
    fresh = take(root, stores=None).snapshot
    answer = subprocess.run([sys.executable, "-c", KILL_EACH, root, tmp_path], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    killed = int(answer.stdout)
    assert killed > 30
    for number in range(killed):
        snapshot, stores = tmp_path / str(number) / "snapshot", tmp_path / str(number) / "stores"
        if snapshot.exists():
            assert_same(Snapshot.open(snapshot), fresh)
        assert_same(take(root, stores=stores).snapshot, fresh)
        (store,) = stores.iterdir()
        assert len(list(store.iterdir())) == 4


@pytest.mark.usefixtures("settled")
def test_two_ingests_at_once_both_take_whole_snapshots(write_photos, take, tmp_path):
    root = write_photos(*PATHS)
    take(root)
    write_photos("a/new.png", "b/new.png")
    fresh, taken, failed = take(root, stores=None).snapshot, [], []

    def repeat(name):
        try:
            for number in range(8):
                source = discover(root)
                taken.append(take_snapshot(source, tmp_path / name / str(number), stores=tmp_path / "stores").snapshot)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=repeat, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(taken) == 16
    for snapshot in taken:
        assert_same(snapshot, fresh)
    assert take(root).new == 0


def test_progress_counts_every_file(write_photos, tmp_path):
    calls = []
    source = discover(write_photos("a/1.png", "b/1.png"))
    take_snapshot(source, tmp_path / "version", on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]


def test_only_unreadable_files_are_an_error_that_names_the_first(write_photos, take):
    root = write_photos("a/1.png", "b/1.png")
    for path in root.rglob("*.png"):
        path.write_text("no photo")
    with pytest.raises(UserError, match=f"^{root}: none of its 2 files is a readable photo; the first is a/1.png: not"):
        take(root)


def left_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if "photos/" not in f"{path}/")


@pytest.mark.parametrize("place", [(ingest, "write_table"), (ingest, "write_manifest"), (ingest, "remember")])
def test_an_interruption_leaves_no_half_snapshot(write_photos, tmp_path, monkeypatch, place):
    source = discover(write_photos(*PATHS))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(*place, interrupt)
    with pytest.raises(KeyboardInterrupt):
        take_snapshot(source, tmp_path / "version", stores=tmp_path / "stores")
    assert not [path for path in left_in(tmp_path) if "version" in path]


def test_a_photo_that_changes_while_it_is_read_leaves_no_snapshot(write_photos, tmp_path, monkeypatch):
    source = discover(write_photos(*PATHS))

    def changed(file):
        raise UserError(f"{file.name} changed while it was being ingested; leave the folder alone and start again.")

    monkeypatch.setattr(local.LocalFile, "read", changed)
    with pytest.raises(UserError, match=r"a/0\.png changed while it was being ingested"):
        take_snapshot(source, tmp_path / "version")
    assert left_in(tmp_path) == []


def test_an_empty_folder_may_stand_there_already(write_photos, tmp_path):
    (tmp_path / "version").mkdir()
    source = discover(write_photos(*PATHS))
    assert take_snapshot(source, tmp_path / "version").snapshot.folder == tmp_path / "version"


def test_a_snapshot_is_never_overwritten(write_photos, tmp_path):
    source = discover(write_photos(*PATHS))
    take_snapshot(source, tmp_path / "version")
    with pytest.raises(UserError, match="version: it holds something already, and a snapshot is never changed"):
        take_snapshot(source, tmp_path / "version")


@pytest.mark.parametrize("number", [28, 122])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(write_photos, tmp_path, monkeypatch, number):
    source = discover(write_photos(*PATHS))

    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(shards._Shard, "_flush", full)
    with pytest.raises(UserError, match=f"^{tmp_path}: the disk (is full|quota is used up); free some space, or set "):
        take_snapshot(source, tmp_path / "version")
    assert left_in(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="a tiny disk needs root")
@pytest.mark.parametrize("kilobytes", [16, 64, 120])
def test_a_disk_that_is_really_full_is_one_sentence_and_leaves_nothing(write_photos, tmp_path, kilobytes):
    root = write_photos("a/1.png", "b/1.png")
    for number in range(40):
        noise = b"".join(sha256(bytes([number, row])).digest() for row in range(100))
        (root / "a" / f"{number}.png").write_bytes((root / "a/1.png").read_bytes() + noise)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(UserError, match=f"^{disk}: the disk is full; free some space"):
            take_snapshot(discover(root), disk / "version", stores=disk / "stores")
        assert [path for path in left_in(disk) if "version" in path] == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_snapshot_is_the_same_for_any_number_of_processes(write_photos, tmp_path, monkeypatch):
    def slowly(data):
        here.append(data)
        # Meanwhile the other process starts, and has some of them.
        time.sleep(0.5)
        return audit_bytes(data)

    here = []
    monkeypatch.setattr(audit, "FILES_OF_A_PROCESS", 1)
    monkeypatch.setattr(audit, "audit_bytes", slowly)
    root = write_photos(*PATHS)
    (root / "a/again.png").write_bytes((root / "b/0.png").read_bytes())
    (root / "b/notes.png").write_text("no photo")
    source, counted = discover(root), []

    one, two = (
        take_snapshot(
            source, tmp_path / str(processes), processes=processes, on_progress=lambda *done: counted.append(done)
        ).snapshot
        for processes in (1, 2)
    )

    pd.testing.assert_frame_equal(one.table, two.table)
    assert one.digest == two.digest
    shards_of = [(version.folder / "shards" / "00000.parquet").read_bytes() for version in (one, two)]
    assert shards_of[0] == shards_of[1]
    assert len(here) < 24
    assert counted[: len(counted) // 2] == counted[len(counted) // 2 :] == [(n, 12) for n in range(1, 13)]


def test_an_error_leaves_no_process_behind(write_photos, tmp_path, monkeypatch):
    def others():
        return [one for one in psutil.Process().children() if "loky.backend.popen" in " ".join(one.cmdline())]

    def fail(done, _):
        noted.extend(others())
        raise OSError(errno.EIO, "the disk is gone")

    noted = []
    monkeypatch.setattr(audit, "FILES_OF_A_PROCESS", 1)
    # The error keeps the frames that it went through, so that only what they closed themselves is closed.
    with pytest.raises(OSError, match="the disk is gone") as caught:
        take_snapshot(discover(write_photos(*PATHS)), tmp_path / "version", processes=2, on_progress=fail)
    assert caught.tb is not None
    assert len(noted) == 1
    assert others() == []
