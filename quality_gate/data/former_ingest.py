"""What earlier ingests of a source found, so that a photo that did not change is neither read nor decoded again.

Each source has a folder. Its files are never changed, and named by the SHA-256 of their contents::

    store.json      which code audited, and the names of the other files: the table first, then the shards
    <sha256>        the table: origin and stamp of each file, with what the audit found
    <sha256> …      the shards of the last snapshot, as hard links where the file system has them

``store.json`` is replaced at once and last, so a process that is killed leaves the former state or the new one. What is
damaged counts as never seen: without the folder an ingest takes longer, and nothing else.
"""

import fcntl
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple, Self, get_type_hints

from quality_gate.code_digest import code_digest
from quality_gate.data.audit import AuditedFile
from quality_gate.data.batches import ordered_map
from quality_gate.data.hard_links import link_or_copy
from quality_gate.data.image_facts import ImageFacts
from quality_gate.data.shards import Location, index_shard
from quality_gate.data.sources import PhotoFile
from quality_gate.processors import available_processors

STATE_FILE = "store.json"
LOCK_FILE = "lock"

# What decides which facts a file has; the versions of Pillow and NumPy do so too.
_AUDITING_MODULES = ("preprocess.py", "data/audit.py", "data/image_facts.py", "data/phash.py")

# So many findings are in memory before they are written.
_CHUNK_ROWS = 1024


class Finding(NamedTuple):
    """What the audit found of a file, and the stamp the file had then."""

    stamp: str
    facts: ImageFacts | None
    problem: str


@dataclass(frozen=True)
class FormerIngest:
    """What is known of the files of some sources, and the photos that are at hand.

    Attributes:
        findings: by name of the origin.
        shards: the photos of each shard by ``image_id``, and where they lie.
    """

    findings: dict[str, Finding]
    shards: dict[Path, dict[str, Location]]

    def known(self, files: Iterable[PhotoFile]) -> dict[str, AuditedFile]:
        """The files that have not changed, and what the audit found of them, by path."""
        at_hand = {image_id for photos in self.shards.values() for image_id in photos}
        known = {}
        for file in files:
            found = self.findings.get(file.origin.name) if file.origin is not None else None
            if file.origin is None or found is None or found.stamp != file.origin.stamp:
                continue
            if found.facts is None or found.facts.image_id in at_hand:
                known[file.path] = AuditedFile(file, found.facts, found.problem, None, was_read=True)
        return known


def recall(stores: Path, places: Sequence[str], into: Path, *, workers: int = 0) -> FormerIngest:
    """Read what is kept of some sources; all of it is checked against the names of its files.

    Args:
        stores: the folder of all stores.
        places: paths or URLs of the sources.
        into: an empty folder, for links to what is kept: another ingest may remove it from the store meanwhile.
        workers: threads that check; 0 means one a processor.
    """
    tables: dict[Path, None] = {}
    shards: dict[Path, None] = {}
    for place in places:
        folder = _store(stores, place)
        with _locked(folder):
            names = _read_state(folder)
            for name in names:
                if (folder / name).is_file() and not (into / name).exists():
                    link_or_copy(folder / name, into / name)
        tables |= dict.fromkeys(into / name for name in names[:1])
        shards |= dict.fromkeys(into / name for name in names[1:])
    files = [*tables, *shards]
    checked = ordered_map(_is_whole, files, workers=workers or available_processors())
    whole = {file for file, is_whole in zip(files, checked, strict=True) if is_whole}
    return FormerIngest(
        {name: finding for table in tables if table in whole for name, finding in _read_table(table)},
        {shard: dict(index_shard(shard)) for shard in shards if shard in whole},
    )


class FindingsWriter:
    """Writes what the audit finds into a table for :func:`remember`, a few at a time.

    Files without a stamp, or that could not be read, stay out: the next ingest tries them again.

    Args:
        path: the table.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        texts = [(name, pa.string()) for name in ("origin", "stamp", "problem")]
        self._schema = pa.schema([*texts, *((name, kinds[kind]) for name, kind in get_type_hints(ImageFacts).items())])
        self._writer = pq.ParquetWriter(path, self._schema)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with suppress(OSError) if kind else nullcontext():
            self._flush()
            self._writer.close()

    def add(self, one: AuditedFile) -> None:
        """Write what came of a file."""
        origin = one.file.origin
        if origin is None or not origin.stamp or not one.was_read:
            return
        said = {"origin": origin.name, "stamp": origin.stamp, "problem": one.problem}
        self._rows.append(said if one.facts is None else said | one.facts._asdict())
        if len(self._rows) >= _CHUNK_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def remember(stores: Path, places: Sequence[str], findings: Path, shards: Sequence[Path]) -> None:
    """Keep what an ingest found, in place of what was kept before.

    Args:
        stores: the folder of all stores.
        places: paths or URLs of the sources that were ingested, alone or together.
        findings: what a :class:`FindingsWriter` wrote of their files.
        shards: the shards of the snapshot.
    """
    files = {_digest(path): path for path in (findings, *shards)}
    for place in places:
        _replace_state(_store(stores, place), files)


def _replace_state(folder: Path, files: dict[str, Path]) -> None:
    with _locked(folder):
        for name, path in files.items():
            # What stands there already may be damaged.
            (folder / name).unlink(missing_ok=True)
            link_or_copy(path, folder / name)
        partial = folder / uuid.uuid4().hex
        partial.write_text(json.dumps({"auditor": _auditor(), "names": list(files)}), encoding="utf-8")
        partial.replace(folder / STATE_FILE)
        for path in folder.iterdir():
            if path.name not in (STATE_FILE, LOCK_FILE, *files):
                path.unlink()


def _read_state(folder: Path) -> list[str]:
    """Names of the files that are kept, the table first; none where they are of no use."""
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        return list(state["names"]) if state["auditor"] == _auditor() else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _read_table(path: Path) -> Iterator[tuple[str, Finding]]:
    import pyarrow.parquet as pq

    for row in pq.read_table(path).to_pylist():
        facts = ImageFacts(**{name: row[name] for name in ImageFacts._fields}) if row["image_id"] else None
        yield row["origin"], Finding(row["stamp"], facts, row["problem"])


def _is_whole(path: Path) -> bool:
    return path.is_file() and _digest(path) == path.name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _auditor() -> str:
    """Equal where the same bytes are given the same facts."""
    import numpy
    import PIL

    return " ".join([code_digest(*_AUDITING_MODULES), PIL.__version__, numpy.__version__])


def _store(stores: Path, place: str) -> Path:
    return stores / sha256(place.encode()).hexdigest()[:32]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
