"""From the files of a source to a snapshot: each photo is decoded once and written once."""

import shutil
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from quality_gate.data.audit import AuditedFile, audit
from quality_gate.data.former_ingest import FindingsWriter, FormerIngest, recall, remember
from quality_gate.data.hard_links import link_or_copy
from quality_gate.data.image_table import write_table
from quality_gate.data.shards import SHARD_BYTES, ShardReader, ShardWriter
from quality_gate.data.snapshot import SHARD_FOLDER, TABLE_FILE, Snapshot, write_manifest
from quality_gate.data.sources import Source
from quality_gate.disk_space import explain_full_disk
from quality_gate.errors import UserError


@dataclass(frozen=True)
class Ingested:
    """A snapshot, and how much work it was.

    Attributes:
        snapshot: the dataset version.
        files: files that the source offers.
        new: of these, the files that had to be read, because they were not there before or have changed.
    """

    snapshot: Snapshot
    files: int
    new: int


class _Auditors(NamedTuple):
    """The threads that decode, and the processes they are in."""

    workers: int
    processes: int


def take_snapshot(
    source: Source,
    folder: Path,
    *,
    stores: Path | None = None,
    workers: int = 0,
    processes: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Ingested:
    """Audit the files of a source, and write its readable photos and their image table as a snapshot.

    Photos that an earlier ingest of the source has seen, and that have not changed since, are not opened: what was
    found of them is known, and their shards are linked. A shard in which a photo is changed or gone is written anew
    without it. At most a few photos are in memory at a time. Everything is written beside ``folder`` under another
    name, which is changed at the very end: an interruption leaves no snapshot at all.

    Args:
        source: the files.
        folder: where the snapshot is to lie; it may exist if it is empty.
        stores: where what was found is kept for the next ingest, best on the same file system; None keeps nothing.
        workers: threads that decode; 0 means one a processor.
        processes: that share the files, of which this is one; 0 means as many as it pays to start. The snapshot is
            the same for any number.
        on_progress: called with the files done and the files in all, after each.

    Raises:
        UserError: not one file is readable, a photo changes while it is read, the disk is full, or the folder holds
            something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: it holds something already, and a snapshot is never changed; name another folder.")
    with explain_full_disk(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.partial"
        try:
            new = _write_snapshot(source, partial, stores, _Auditors(workers, processes), on_progress)
            (partial / "snapshot").replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Ingested(Snapshot.open(folder), len(source.files), new)


def _write_snapshot(
    source: Source,
    partial: Path,
    stores: Path | None,
    auditors: _Auditors,
    on_progress: Callable[[int, int], None] | None,
) -> int:
    """Write ``partial/snapshot``, and keep what was found; gives the number of files that had to be read."""
    at_hand, shards, findings = partial / "former", partial / "snapshot" / SHARD_FOLDER, partial / "findings.parquet"
    at_hand.mkdir(parents=True)
    shards.mkdir(parents=True)
    former = recall(stores, source.places, at_hand, workers=auditors.workers) if stores else FormerIngest({}, {})
    known = former.known(source.files)
    new = sum(not file.problem and file.path not in known for file in source.files)
    kept = _shards_to_keep(former, known, changed=new > 0)
    written = _written(source, former, known, kept, shards, auditors)
    # What raises here would keep it, and with it the processes that audit, as long as anybody looks at the error.
    with FindingsWriter(findings) as writer, closing(written) as audited:
        write_table(_rows(audited, writer, len(source.files), on_progress), shards.parent / TABLE_FILE)
    _check_readable(source, shards.parent / TABLE_FILE)
    write_manifest(source, shards.parent)
    if stores:
        remember(stores, source.places, findings, sorted(shards.iterdir()))
    return new


def _rows(
    audited: Iterable[AuditedFile],
    findings: FindingsWriter,
    files: int,
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[dict[str, Any]]:
    """The row of each file; nothing else is kept of it, but what goes into the findings."""
    for number, one in enumerate(audited, start=1):
        findings.add(one)
        if on_progress is not None:
            on_progress(number, files)
        yield one.row


def _written(
    source: Source,
    former: FormerIngest,
    known: Mapping[str, AuditedFile],
    kept: Sequence[Path],
    folder: Path,
    auditors: _Auditors,
) -> Generator[AuditedFile, None, None]:
    """Audit the files; when what came of one is yielded, its photo is in a shard."""
    stored: set[str] = set()
    for number, shard in enumerate(kept):
        link_or_copy(shard, folder / f"{number:05}.parquet")
        stored |= former.shards[shard].keys()
    at_hand = {image_id: location for photos in former.shards.values() for image_id, location in photos.items()}
    with ShardReader() as reader, ShardWriter(folder, first=len(kept)) as writer:
        for one in audit(source.files, known=known, workers=auditors.workers, processes=auditors.processes):
            if one.facts is not None and one.facts.image_id not in stored:
                image_id = one.facts.image_id
                writer.add(image_id, reader.read(at_hand[image_id]) if one.data is None else one.data)
                stored.add(image_id)
            yield one


def _shards_to_keep(former: FormerIngest, known: Mapping[str, AuditedFile], *, changed: bool) -> list[Path]:
    """Shards that can be linked as they are: each of their photos is still there, and in no shard before it.

    Small ones are not among them if there is something to put together with them, so that daily ingests of a few
    photos do not make a shard each.
    """
    expected = {one.facts.image_id for one in known.values() if one.facts is not None}
    covered: set[str] = set()
    whole = []
    for shard, photos in former.shards.items():
        if photos and photos.keys() <= expected and covered.isdisjoint(photos):
            whole.append(shard)
            covered |= photos.keys()
    small = [shard for shard in whole if shard.stat().st_size < SHARD_BYTES // 2]
    if len(small) + (changed or covered < expected) > 1:
        return [shard for shard in whole if shard not in small]
    return whole


def _check_readable(source: Source, path: Path) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table:
        if not any(any(chunk.column(0).to_pylist()) for chunk in table.iter_batches(columns=["is_readable"])):
            first = next(table.iter_batches(1, columns=["path", "problem"])).to_pylist()[0]
            raise UserError(
                f"{source.name}: none of its {len(source.files)} files is a readable photo; the first is "
                f"{first['path']}: {first['problem']}."
            )
