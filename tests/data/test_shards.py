from hashlib import sha256

import pytest
from pyarrow.parquet import ParquetWriter

from quality_gate.data import shards
from quality_gate.data.shards import DamagedSnapshot, ShardReader, ShardWriter, index_shard


@pytest.fixture
def photos():
    """Nine photos of 1,000 bytes with their SHA-256."""
    found = [bytes([number]) * 1000 for number in range(9)]
    return [(sha256(photo).hexdigest(), photo) for photo in found]


def write(photos, folder, **options):
    with ShardWriter(folder, **options) as writer:
        for photo in photos:
            writer.add(*photo)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shards").mkdir()
    return tmp_path / "shards"


def test_photos_are_spread_over_shards_and_row_groups_of_the_given_size(photos, folder, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 4000)
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 2000)
    write(photos, folder)
    places = [location for path in sorted(folder.iterdir()) for _, location in index_shard(path)]
    assert [(place.shard.name, place.row_group, place.row) for place in places] == [
        ("00000.parquet", 0, 0), ("00000.parquet", 0, 1), ("00000.parquet", 1, 0), ("00000.parquet", 1, 1),
        ("00001.parquet", 0, 0), ("00001.parquet", 0, 1), ("00001.parquet", 1, 0), ("00001.parquet", 1, 1),
        ("00002.parquet", 0, 0),
    ]  # fmt: skip


def test_a_shard_is_about_as_large_as_the_photos_in_it(folder):
    noise = b"".join(sha256(bytes([i, j])).digest() for i in range(250) for j in range(32))
    write([("noise", noise)], folder)
    assert len(noise) < (folder / "00000.parquet").stat().st_size < len(noise) * 1.02


def test_without_photos_there_is_no_shard(folder):
    write([], folder)
    assert list(folder.iterdir()) == []


def test_shards_may_be_counted_on_from_others(photos, folder):
    write(photos, folder, first=7)
    assert [path.name for path in folder.iterdir()] == ["00007.parquet"]


def test_an_error_is_not_hidden_by_another_when_the_shard_is_closed(photos, folder, monkeypatch):
    def full(*_):
        # Once: the library closes again what it could not close.
        monkeypatch.undo()
        raise OSError(28, "No space left on device")

    def interrupted():
        yield photos[0]
        monkeypatch.setattr(ParquetWriter, "close", full)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(interrupted(), folder)


def test_what_was_read_last_is_kept_and_what_was_read_first_is_forgotten(photos, folder, monkeypatch):
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 2000)
    monkeypatch.setattr(shards, "CACHE_BYTES", 4500)
    write(photos, folder)
    places = [location for _, location in index_shard(folder / "00000.parquet")]
    read, original = [], shards._row_group
    monkeypatch.setattr(shards, "_row_group", lambda file, path, group, column: (
        read.append(group), original(file, path, group, column))[1])  # fmt: skip
    with ShardReader() as reader:
        assert [reader.read(places[number])[0] for number in (0, 1, 2, 0, 4, 0, 2)] == [0, 1, 2, 0, 4, 0, 2]
    assert read == [0, 1, 2, 1]


def test_a_shard_that_is_no_parquet_is_named(folder):
    (folder / "00000.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DamagedSnapshot, match=r"00000\.parquet cannot be read .*; ingest the photos again"):
        list(index_shard(folder / "00000.parquet"))


def test_a_few_shards_are_open_at_a_time_however_many_there_are(photos, folder, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 1000)
    monkeypatch.setattr(shards, "CACHE_BYTES", 1)
    monkeypatch.setattr(shards, "OPEN_SHARDS", 2)
    write(photos, folder)
    places = [location for path in sorted(folder.iterdir()) for _, location in index_shard(path)]
    assert len({place.shard for place in places}) == 9
    opened, original = [], shards._open
    monkeypatch.setattr(shards, "_open", lambda path: opened.append((path, original(path))) or opened[-1][1])

    with ShardReader() as reader:
        for number in (0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0):
            assert reader.read(places[number])[0] == number
            assert sum(not file.closed for _, file in opened) <= 2
    assert [path.stem for path, _ in opened] == [f"{number:05}" for number in (0, 1, 2, 3, 4, 5, 6, 7, 8, 0)]
    assert all(file.closed for _, file in opened)
