import json
import threading
from hashlib import sha256

import pandas as pd
import pytest

from quality_gate.data import snapshot as snapshot_module
from quality_gate.data.audit import audit
from quality_gate.data.image_table import build_table
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.shards import DamagedSnapshot
from quality_gate.data.snapshot import MANIFEST_FILE, TABLE_FILE, Snapshot, table_digest
from quality_gate.data.sources import discover
from quality_gate.data_settings import DataSettings
from quality_gate.errors import UserError

PATHS = ("train/a/1.png", "train/a/2.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")


@pytest.fixture
def ingest(write_photos, tmp_path):
    """Writes photos and ingests them into a folder called ``version``."""

    def run(*paths):
        return take_snapshot(discover(write_photos(*(paths or PATHS))), tmp_path / "version").snapshot

    return run


def test_a_snapshot_gives_back_the_table_and_every_byte(write_photos, ingest, tmp_path):
    snapshot = ingest()
    root = write_photos()
    pd.testing.assert_frame_equal(snapshot.table, build_table(one.row for one in audit(discover(root).files)))
    for row in snapshot.table.itertuples():
        assert snapshot.photo(row.image_id) == (root / row.path).read_bytes()
    assert snapshot.classes == ("a", "b")
    assert snapshot.source == str(root)
    assert snapshot.counts == {"files": 5, "readable": 5, "unreadable": 0, "photos": 5}
    assert [path.name for path in sorted((tmp_path / "version").iterdir())] == [TABLE_FILE, "shards", MANIFEST_FILE]


def test_photos_come_in_the_order_asked_and_as_often(ingest):
    snapshot = ingest()
    asked = [*reversed(snapshot.table["image_id"]), snapshot.table["image_id"][0]]
    assert [sha256(photo).hexdigest() for photo in snapshot.photos(asked)] == asked


def test_equal_bytes_are_stored_once_and_unreadable_files_only_listed(write_photos, ingest):
    root = write_photos(*PATHS)
    (root / "train/b/copy.png").write_bytes((root / "train/b/1.png").read_bytes())
    (root / "train/b/notes.txt").write_text("no photo")
    snapshot = ingest()
    assert snapshot.counts == {"files": 7, "readable": 6, "unreadable": 1, "photos": 5}
    stored = pd.read_parquet(snapshot.folder / "shards" / "00000.parquet")
    assert stored["image_id"].is_unique
    assert len(stored) == 5


def test_changing_the_table_in_hand_does_not_change_the_snapshot(ingest):
    snapshot = ingest()
    table = snapshot.table
    table["label"] = "other"
    assert set(snapshot.table["label"]) == {"a", "b"}


def test_the_digest_depends_on_the_data_and_not_on_what_was_measured(ingest, tmp_path):
    snapshot = ingest()
    table = snapshot.table
    path = tmp_path / "table.parquet"
    table.assign(brightness=0.0).to_parquet(path)
    assert table_digest(path) == snapshot.digest
    for column in ("path", "image_id", "label", "split"):
        changed = table.copy()
        changed.loc[2, column] = "other"
        changed.to_parquet(path)
        assert table_digest(path) != snapshot.digest


def test_equal_data_elsewhere_have_an_equal_digest(write_photos, ingest, tmp_path):
    first = ingest()
    write_photos().rename(tmp_path / "moved")
    again = take_snapshot(discover(tmp_path / "moved"), tmp_path / "again", workers=1)
    assert again.snapshot.digest == first.digest


def test_saved_elsewhere_it_is_the_same_snapshot(ingest, tmp_path):
    snapshot = ingest()
    (tmp_path / "store").mkdir()
    snapshot.save(tmp_path / "store")
    stored = Snapshot.load(tmp_path / "store")
    assert stored.digest == snapshot.digest
    assert list(stored.photos(stored.table["image_id"])) == list(snapshot.photos(snapshot.table["image_id"]))


def test_several_threads_read_at_once(ingest):
    snapshot = ingest()
    asked = snapshot.table["image_id"].tolist()
    results = []
    threads = [
        threading.Thread(target=lambda: results.append([sha256(p).hexdigest() for p in snapshot.photos(asked * 20)]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [asked * 20] * 4


def test_an_unknown_photo_is_refused_before_anything_is_read(ingest):
    with pytest.raises(KeyError, match="no photo 0000 in this snapshot"):
        ingest().photos(["0000"])


def test_what_the_settings_left_out_is_listed_and_counted_nowhere(write_photos, tmp_path):
    source = discover(write_photos(*PATHS, "train/c/1.png"), DataSettings(label_map={"c": None}))
    snapshot = take_snapshot(source, tmp_path / "version").snapshot
    assert Snapshot.open(snapshot.folder) == snapshot
    (left_out,) = snapshot.left_out
    assert (left_out.path, left_out.label, left_out.split) == ("train/c/1.png", "c", "train")
    assert left_out.problem == "its class 'c' is dropped by data.label_map"
    assert snapshot.counts == {"files": 5, "readable": 5, "unreadable": 0, "photos": 5}
    assert len(snapshot.table) == 5
    (row,) = snapshot.listing[~snapshot.listing["is_readable"]].to_dict("records")
    assert (row["path"], row["label"], row["problem"]) == ("train/c/1.png", "", left_out.problem)
    assert list(snapshot.listing.dtypes) == list(snapshot.table.dtypes)
    assert snapshot.listing["path"].is_monotonic_increasing


def test_a_snapshot_from_which_nothing_was_left_out_lists_what_its_table_has(ingest):
    snapshot = ingest()
    pd.testing.assert_frame_equal(snapshot.listing, snapshot.table)


def test_a_snapshot_of_a_version_that_listed_nothing_is_read(ingest):
    snapshot = ingest()
    manifest = json.loads((snapshot.folder / MANIFEST_FILE).read_text())
    del manifest["left_out"]
    (snapshot.folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    assert Snapshot.open(snapshot.folder).left_out == ()


def test_a_full_disk_is_told_when_it_is_saved_elsewhere_and_leaves_nothing(ingest, tmp_path, monkeypatch):
    snapshot = ingest()
    link = snapshot_module.link_or_copy

    def full(source, target):
        if target.name == MANIFEST_FILE:
            raise OSError(28, "No space left on device")
        link(source, target)

    monkeypatch.setattr(snapshot_module, "link_or_copy", full)
    with pytest.raises(UserError, match=f"^{tmp_path}/store: the disk is full; free some space"):
        snapshot.save(tmp_path / "store")
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_folder_without_a_manifest_is_no_snapshot(tmp_path):
    with pytest.raises(DamagedSnapshot, match=r"snapshot\.json is missing: .* holds no whole snapshot"):
        Snapshot.open(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_manifest_that_is_no_manifest_is_named(ingest, text):
    folder = ingest().folder
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(DamagedSnapshot, match=r"snapshot\.json cannot be read"):
        Snapshot.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, r"snapshot\.json: format version 2; this version of the product reads 1"),
        ({"classes": None}, r"snapshot\.json lacks classes"),
        ({"digest": "0" * 64}, r"image_table\.parquet does not have the digest in snapshot\.json"),
    ],
)
def test_a_manifest_that_does_not_fit_is_named(ingest, change, message):
    folder = ingest().folder
    manifest = json.loads((folder / MANIFEST_FILE).read_text()) | change
    manifest = {key: value for key, value in manifest.items() if value is not None}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(DamagedSnapshot, match=message):
        Snapshot.open(folder)


@pytest.mark.parametrize("name", [TABLE_FILE, "shards/00000.parquet"])
def test_a_missing_or_shortened_file_is_named(ingest, name):
    path = ingest().folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(DamagedSnapshot, match=f"{path} has {len(whole) - 100} bytes, not {len(whole)}; ingest"):
        Snapshot.open(path.parents[name.count("/")])
    path.unlink()
    with pytest.raises(DamagedSnapshot, match=f"{path} is missing; ingest"):
        Snapshot.open(path.parents[name.count("/")])


def test_a_table_that_cannot_be_read_is_named(ingest):
    path = ingest().folder / TABLE_FILE
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(DamagedSnapshot, match=r"image_table\.parquet cannot be read"):
        Snapshot.open(path.parent)


def test_a_photo_whose_bytes_rotted_is_not_handed_out(ingest):
    snapshot = ingest()
    image_id = snapshot.table["image_id"][0]
    photo = snapshot.photo(image_id)
    path = snapshot.folder / "shards" / "00000.parquet"
    stored = path.read_bytes()
    path.write_bytes(stored.replace(photo, photo[:50] + bytes([photo[50] ^ 1]) + photo[51:]))
    with pytest.raises(DamagedSnapshot, match=f"00000.parquet: the bytes of photo {image_id} have changed"):
        Snapshot.open(snapshot.folder).photo(image_id)


def test_the_digest_is_that_of_the_json_of_all_rows_however_few_are_read_at_a_time(tmp_path, monkeypatch):
    rows = [("a/0.jpg", "", "a", "train"), ("a/1.jpg", "a" * 64, 'a"', ""), ("é/2.jpg", "b" * 64, "é", "test")]
    table, path = pd.DataFrame(rows, columns=["path", "image_id", "label", "split"]), tmp_path / "table.parquet"
    table.to_parquet(path)
    expected = sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
    for size in (1, 2, 3, 1024):
        monkeypatch.setattr(snapshot_module, "CHUNK_ROWS", size)
        assert table_digest(path) == expected
    table[:0].to_parquet(path)
    assert table_digest(path) == sha256(b"[]").hexdigest()
