"""An immutable version of a dataset: the image table and the original bytes of every readable photo, in one folder.

Layout::

    snapshot.json           format version, digest, source, classes, counts, files left out, sizes; written last
    image_table.parquet     the image table, unreadable files included
    shards/00000.parquet …  image_id, bytes: each readable photo once; each shard in the order of the paths

Shards are Parquet, so that anything reads them; photos are compressed already and are stored as they are, in row
groups so small that one photo costs about a megabyte of reading.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from quality_gate.data.hard_links import link_or_copy
from quality_gate.data.image_table import CHUNK_ROWS, build_table, require_columns
from quality_gate.data.shards import DamagedSnapshot, Location, ShardReader, index_shard
from quality_gate.data.sources import PhotoFile, Source
from quality_gate.disk_space import explain_full_disk
from quality_gate.step_value import StepValue

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1
MANIFEST_FILE = "snapshot.json"
TABLE_FILE = "image_table.parquet"
SHARD_FOLDER = "shards"

_DIGESTED = ["path", "image_id", "label", "split"]


@dataclass(frozen=True)
class Snapshot(StepValue):
    """A dataset version on disk; reading it is safe from several threads.

    Attributes:
        folder: where it lies.
        digest: SHA-256 over path, image_id, label and split of every row: equal data, equal digest, whatever the
            order of the files.
        source: folder, CSV file or URL it was read from, as it was given.
        classes: names of the classes, sorted.
        counts: ``files``, ``readable`` and ``unreadable``; ``photos``: different ones among the readable.
        left_out: files of the source that the settings left out, each with its reason; they are in no table and no
            count.
    """

    folder: Path
    digest: str
    source: str
    classes: tuple[str, ...]
    counts: dict[str, int]
    left_out: tuple[PhotoFile, ...] = ()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a snapshot and check that it is whole: every file there, every size as written, the digest right.

        Raises:
            DamagedSnapshot: it is not; the message names the file.
        """
        manifest = _read_manifest(folder)
        for name, size in manifest["sizes"].items():
            path = folder / name
            if not path.is_file():
                raise DamagedSnapshot(f"{path} is missing; ingest the photos again")
            if path.stat().st_size != size:
                raise DamagedSnapshot(f"{path} has {path.stat().st_size} bytes, not {size}; ingest the photos again")
        snapshot = cls(
            folder,
            manifest["digest"],
            manifest["source"],
            tuple(manifest["classes"]),
            dict(manifest["counts"]),
            tuple(PhotoFile(*values) for values in manifest.get("left_out", [])),
        )
        if table_digest(folder / TABLE_FILE) != snapshot.digest:
            raise DamagedSnapshot(f"{folder / TABLE_FILE} does not have the digest in {MANIFEST_FILE}; ingest again")
        return snapshot

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The same as :meth:`open`, for stores that ``save`` and ``load`` values."""
        return cls.open(folder)

    def save(self, folder: Path) -> None:
        """Put the same snapshot into another folder, as hard links where the file system allows it.

        Raises:
            UserError: the disk is full; nothing is left in the folder then.
        """
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        targets = [folder / path.relative_to(self.folder) for path in files]
        with explain_full_disk(folder):
            try:
                for path, target in zip(files, targets, strict=True):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    link_or_copy(path, target)
            except OSError:
                for target in targets:
                    target.unlink(missing_ok=True)
                raise

    @property
    def table(self) -> "pd.DataFrame":
        """The image table, as it was ingested."""
        return self._table.copy()

    @property
    def listing(self) -> "pd.DataFrame":
        """The image table with a row more for each file that was left out, for reports: unreadable, with its reason.

        Rows of classes that the snapshot does not have are of no class; their reason names it.
        """
        import pandas as pd

        rows = [
            {"path": one.path, "label": one.label if one.label in self.classes else "", "problem": one.problem}
            for one in self.left_out
        ]
        return pd.concat([self._table, build_table(rows)]).sort_values("path", ignore_index=True)

    def photo(self, image_id: str) -> bytes:
        """The encoded photo of an ``image_id``; errors as of :meth:`photos`."""
        return next(self.photos([image_id]))

    def photos(self, image_ids: Sequence[str]) -> Iterator[bytes]:
        """Read encoded photos, in the order asked.

        The last 128 MB read are kept until the iteration ends: in the order of the image table every shard is read
        once, in another order as often as its row groups have been forgotten.

        Args:
            image_ids: SHA-256 of the photos; repetitions are allowed.

        Raises:
            KeyError: the snapshot has no such photo; raised before the first photo is read.
            DamagedSnapshot: a shard cannot be read, or a photo no longer has the bytes it had.
        """
        unknown = [image_id for image_id in image_ids if image_id not in self._locations]
        if unknown:
            raise KeyError(f"{self.folder}: no photo {unknown[0]} in this snapshot")
        return self._read(image_ids)

    def _read(self, image_ids: Sequence[str]) -> Iterator[bytes]:
        with ShardReader() as reader:
            for image_id in image_ids:
                data = reader.read(self._locations[image_id])
                if sha256(data).hexdigest() != image_id:
                    path = self._locations[image_id].shard
                    raise DamagedSnapshot(f"{path}: the bytes of photo {image_id} have changed; ingest again")
                yield data

    @cached_property
    def _table(self) -> "pd.DataFrame":
        import pandas as pd

        path = self.folder / TABLE_FILE
        try:
            table = pd.read_parquet(path)
        except Exception as error:
            raise DamagedSnapshot(f"{path} cannot be read ({error}); ingest the photos again") from None
        require_columns(table, str(path))
        return table

    @cached_property
    def _locations(self) -> dict[str, Location]:
        shards = sorted((self.folder / SHARD_FOLDER).glob("*.parquet"))
        return {image_id: location for shard in shards for image_id, location in index_shard(shard)}


def table_digest(path: Path) -> str:
    """SHA-256 over path, image_id, label and split of the rows, of the JSON of their list; few are in memory at a time.

    Raises:
        DamagedSnapshot: the table cannot be read.
    """
    import pyarrow.parquet as pq

    digest, comma = sha256(b"["), ""
    try:
        with pq.ParquetFile(path) as file:
            for chunk in file.iter_batches(CHUNK_ROWS, columns=_DIGESTED):
                rows = list(zip(*(chunk.column(name).to_pylist() for name in _DIGESTED), strict=True))
                digest.update((comma + json.dumps(rows, ensure_ascii=False)[1:-1]).encode())
                comma = ", "
    except Exception as error:
        raise DamagedSnapshot(f"{path} cannot be read ({error}); ingest the photos again") from None
    digest.update(b"]")
    return digest.hexdigest()


def write_manifest(source: Source, folder: Path) -> None:
    """Make a folder with an image table and shards a snapshot: write the manifest that says what belongs to it.

    Args:
        source: where the photos come from.
        folder: with their image table, and every readable photo in its shards.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    is_readable = pq.read_table(folder / TABLE_FILE, columns=["is_readable"]).column(0)
    readable = pc.sum(is_readable).as_py()
    shards = sorted((folder / SHARD_FOLDER).iterdir())
    contents = [folder / TABLE_FILE, *shards]
    manifest = {
        "format_version": FORMAT_VERSION,
        "digest": table_digest(folder / TABLE_FILE),
        "source": source.name,
        "classes": list(source.classes),
        "counts": {
            "files": len(is_readable),
            "readable": readable,
            "unreadable": len(is_readable) - readable,
            "photos": sum(pq.read_metadata(shard).num_rows for shard in shards),
        },
        "left_out": [[file.path, file.label, file.split, file.problem] for file in source.left_out],
        "sizes": {path.relative_to(folder).as_posix(): path.stat().st_size for path in contents},
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise DamagedSnapshot(f"{path} is missing: {folder} holds no whole snapshot")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except (ValueError, KeyError, TypeError):
        raise DamagedSnapshot(f"{path} cannot be read; ingest the photos again") from None
    if version != FORMAT_VERSION:
        raise DamagedSnapshot(
            f"{path}: format version {version!r}; this version of the product reads {FORMAT_VERSION}; ingest again"
        )
    missing = {"digest", "source", "classes", "counts", "sizes"} - set(manifest)
    if missing:
        raise DamagedSnapshot(f"{path} lacks {', '.join(sorted(missing))}; ingest the photos again")
    return dict(manifest)
