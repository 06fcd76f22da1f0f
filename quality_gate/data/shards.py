"""Parquet files of encoded photos: written one after the other, read photo by photo."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    import pyarrow as pa

SHARD_BYTES = 64 * 2**20
ROW_GROUP_BYTES = 2**20
CACHE_BYTES = 128 * 2**20
# Photos in the order of the table come from one shard, or in turn from the shards of a few ingests; a system lets a
# process open about a thousand files.
OPEN_SHARDS = 16


class DamagedSnapshot(ValueError):
    """A snapshot that is incomplete or changed; the message names the file."""


class Location(NamedTuple):
    """Where a photo lies: the shard, its row group, and the row in it."""

    shard: Path
    row_group: int
    row: int


class ShardWriter:
    """Writes photos into ``00000.parquet``, ``00001.parquet``, … of about 64 MB, at most one row group in memory.

    Args:
        folder: where the shards are put.
        first: number of the first.
    """

    def __init__(self, folder: Path, first: int = 0) -> None:
        self._folder = folder
        self._number = first
        self._shard: _Shard | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._shard is None:
            return
        if kind is None:
            self._shard.finish()
        else:
            self._shard.abandon()

    def add(self, image_id: str, photo: bytes) -> None:
        """Write a photo; each ``image_id`` once."""
        if self._shard is not None and self._shard.written >= SHARD_BYTES:
            self._shard.finish()
            self._shard = None
            self._number += 1
        if self._shard is None:
            self._shard = _Shard(self._folder / f"{self._number:05}.parquet")
        self._shard.add(image_id, photo)


def index_shard(path: Path) -> Iterator[tuple[str, Location]]:
    """The ``image_id`` and place of every photo of a shard.

    Raises:
        DamagedSnapshot: the shard cannot be read.
    """
    with _open(path) as file:
        for group in range(file.num_row_groups):
            image_ids = _row_group(file, path, group, "image_id").to_pylist()
            yield from ((image_id, Location(path, group, row)) for row, image_id in enumerate(image_ids))


@dataclass(frozen=True)
class _RowGroup:
    photos: Any
    size: int


class ShardReader:
    """Reads photos and keeps the row groups read last, and the shards they came from open; one for each thread."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, Any] = OrderedDict()
        self._groups: OrderedDict[tuple[Path, int], _RowGroup] = OrderedDict()
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def read(self, location: Location) -> bytes:
        """The encoded photo at a location.

        Raises:
            DamagedSnapshot: the shard cannot be read.
        """
        key = location.shard, location.row_group
        if key in self._groups:
            self._groups.move_to_end(key)
        else:
            self._keep(key)
        return bytes(self._groups[key].photos[location.row].as_py())

    def _keep(self, key: tuple[Path, int]) -> None:
        path, group = key
        photos = _row_group(self._file(path), path, group, "bytes")
        self._groups[key] = _RowGroup(photos, photos.nbytes)
        self._size += photos.nbytes
        while self._size > CACHE_BYTES and len(self._groups) > 1:
            self._size -= self._groups.popitem(last=False)[1].size

    def _file(self, path: Path) -> Any:
        if path not in self._files:
            if len(self._files) == OPEN_SHARDS:
                self._files.popitem(last=False)[1].close()
            self._files[path] = _open(path)
        self._files.move_to_end(path)
        return self._files[path]


class _Shard:
    """One file that is being written."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.written = 0
        self._schema = pa.schema([("image_id", pa.string()), ("bytes", pa.binary())])
        # Photos are compressed already and all differ: a dictionary or statistics would find nothing in them.
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="none", use_dictionary=False, write_statistics=False
        )
        self._image_ids: list[str] = []
        self._photos: list[bytes] = []
        self._pending = 0

    def add(self, image_id: str, photo: bytes) -> None:
        self._image_ids.append(image_id)
        self._photos.append(photo)
        self._pending += len(photo)
        self.written += len(photo)
        if self._pending >= ROW_GROUP_BYTES:
            self._flush()

    def finish(self) -> None:
        if self._photos:
            self._flush()
        self._writer.close()

    def abandon(self) -> None:
        # Closing writes the end of the file, for which a full disk has no room either.
        with suppress(OSError):
            self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.table([self._image_ids, self._photos], schema=self._schema))
        self._image_ids, self._photos, self._pending = [], [], 0


def _open(path: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except Exception as error:
        raise DamagedSnapshot(f"{path} cannot be read ({error}); ingest the photos again") from None


def _row_group(file: Any, path: Path, group: int, column: str) -> "pa.ChunkedArray":
    try:
        return file.read_row_group(group, columns=[column]).column(0)
    except Exception as error:
        raise DamagedSnapshot(f"{path} cannot be read ({error}); ingest the photos again") from None
