from hashlib import sha256

import pytest

from quality_gate.data import shards
from quality_gate.data.shards import DamagedSnapshot, ShardReader, index_shard, write_shards
from quality_gate.errors import UserError


@pytest.fixture
def files(tmp_path):
    """Nine files of 1,000 bytes with their SHA-256."""
    found = []
    for number in range(9):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(bytes([number]) * 1000)
        found.append((sha256(path.read_bytes()).hexdigest(), path))
    return found


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shards").mkdir()
    return tmp_path / "shards"


def test_photos_are_spread_over_shards_and_row_groups_of_the_given_size(files, folder, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 4000)
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 2000)
    write_shards(files, folder)
    places = [location for path in sorted(folder.iterdir()) for _, location in index_shard(path)]
    assert [(place.shard.name, place.row_group, place.row) for place in places] == [
        ("00000.parquet", 0, 0), ("00000.parquet", 0, 1), ("00000.parquet", 1, 0), ("00000.parquet", 1, 1),
        ("00001.parquet", 0, 0), ("00001.parquet", 0, 1), ("00001.parquet", 1, 0), ("00001.parquet", 1, 1),
        ("00002.parquet", 0, 0),
    ]  # fmt: skip


def test_a_shard_is_about_as_large_as_the_photos_in_it(files, folder):
    files[0][1].write_bytes(noise := b"".join(sha256(bytes([i, j])).digest() for i in range(250) for j in range(32)))
    write_shards([(sha256(noise).hexdigest(), files[0][1])], folder)
    assert len(noise) < (folder / "00000.parquet").stat().st_size < len(noise) * 1.02


def test_what_was_read_last_is_kept_and_what_was_read_first_is_forgotten(files, folder, monkeypatch):
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 2000)
    monkeypatch.setattr(shards, "CACHE_BYTES", 4500)
    write_shards(files, folder)
    places = [location for _, location in index_shard(folder / "00000.parquet")]
    read, original = [], shards._row_group
    monkeypatch.setattr(shards, "_row_group", lambda file, path, group, column: (
        read.append(group), original(file, path, group, column))[1])  # fmt: skip
    with ShardReader() as reader:
        assert [reader.read(places[number])[0] for number in (0, 1, 2, 0, 4, 0, 2)] == [0, 1, 2, 0, 4, 0, 2]
    assert read == [0, 1, 2, 1]


def test_a_file_that_changed_since_the_audit_is_named(files, folder):
    files[4][1].write_bytes(b"other")
    with pytest.raises(UserError, match=r"4\.jpg changed while it was being ingested; leave the folder alone"):
        write_shards(files, folder)


def test_a_file_that_is_gone_since_the_audit_is_named(files, folder):
    files[4][1].unlink()
    with pytest.raises(
        UserError, match=r"4\.jpg was readable when it was audited and is not now \(cannot be read \(No"
    ):
        write_shards(files, folder)


def test_a_shard_that_is_no_parquet_is_named(folder):
    (folder / "00000.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DamagedSnapshot, match=r"00000\.parquet cannot be read .*; ingest the photos again"):
        list(index_shard(folder / "00000.parquet"))
