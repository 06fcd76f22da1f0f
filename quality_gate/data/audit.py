"""What is known of the files of a source before anything is trained on them: each is decoded once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from quality_gate.data.batches import map_here_and_in, ordered_map
from quality_gate.data.image_facts import ImageFacts, audit_bytes
from quality_gate.errors import UserError
from quality_gate.preprocess import UnreadableImage
from quality_gate.process_pool import process_pool
from quality_gate.processors import available_processors

if TYPE_CHECKING:
    from quality_gate.data.sources import PhotoFile

# Reading over a network is waiting; so many files are waited for at once.
REMOTE_READERS = 16

# What a thread and a process are given at a time: enough that handing it over does not count, few enough for memory.
FILES_AT_ONCE = 4
FILES_OF_A_PROCESS = 64

# A process starts in half a second of processor time, which it makes up for on about so many small photos.
FILES_WORTH_A_PROCESS = 1500

# This process writes what all of them audit, which takes a tenth of the time.
MOST_PROCESSES = 8

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AuditedFile:
    """What came of a file.

    Attributes:
        file: the file.
        facts: what was measured; None if it is no usable photo.
        problem: why it is none; '' for a usable photo.
        data: its bytes; None where they were not read.
        was_read: whether its bytes decided what came of it, rather than what kept them from being read.
    """

    file: PhotoFile
    facts: ImageFacts | None
    problem: str
    data: bytes | None
    was_read: bool

    @property
    def row(self) -> dict[str, Any]:
        """Its row of the image table; ``group`` is still ''."""
        said = {"path": self.file.path, "label": self.file.label, "split": self.file.split, "problem": self.problem}
        return said if self.facts is None else said | self.facts._asdict() | {"is_readable": True}


def audit(
    files: Sequence[PhotoFile],
    *,
    known: Mapping[str, AuditedFile] | None = None,
    workers: int = 0,
    processes: int = 0,
) -> Generator[AuditedFile, None, None]:
    """Decode and measure files, in threads of one process or of several.

    Args:
        files: the files.
        known: what an earlier audit found of some of them, by path; these are not opened.
        workers: threads that decode, of all processes together, at least one each; 0 means one a processor.
        processes: that share the files, of which this is one; 0 means as many as it pays to start, for remote files
            this one.

    Yields:
        What came of each file, in the order of ``files`` whatever the number of threads and processes.

    Raises:
        UserError: a file changes while it is read, a server stops answering, or a process was killed.
    """
    known = known or {}
    unknown = [file for file in files if file.path not in known]
    threads = workers or available_processors()
    # A process costs more to start than a few photos take.
    processes = min(processes or _processes_that_pay(unknown, threads), -(-len(unknown) // FILES_OF_A_PROCESS))
    read = _read_in_processes(unknown, threads, processes) if processes > 1 else _read_in_threads(unknown, threads)
    with closing(read) as audited:
        for file in files:
            yield known.get(file.path) or next(audited)


def _processes_that_pay(files: Sequence[PhotoFile], threads: int) -> int:
    """A process a thread where there is enough to do; waiting for a server is none of it."""
    return 1 if _are_remote(files) else min(threads, 1 + len(files) // FILES_WORTH_A_PROCESS, MOST_PROCESSES)


def _are_remote(files: Iterable[PhotoFile]) -> bool:
    return any(file.origin is not None and file.origin.remote for file in files)


def _read_in_threads(files: Sequence[PhotoFile], threads: int) -> Generator[AuditedFile, None, None]:
    return read_files(files, _measure, remote=_are_remote(files), workers=threads, at_once=FILES_AT_ONCE)


def _read_in_processes(files: Sequence[PhotoFile], threads: int, processes: int) -> Generator[AuditedFile, None, None]:
    # Of remote files, what is read comes back too.
    size = REMOTE_READERS if _are_remote(files) else FILES_OF_A_PROCESS
    parts = [files[start : start + size] for start in range(0, len(files), size)]
    work = partial(_audit_part, threads=max(1, threads // processes))
    failure = (
        "A process that audits photos was killed, as where memory runs out, or could not start; set data.processes: 1, "
        "or free some memory, and start again."
    )
    with process_pool(processes - 1, failure) as pool:
        audited = map_here_and_in(pool, work, parts, busy=2 * (processes - 1), ahead=4 * processes)
        for part, found in zip(parts, audited, strict=True):
            yield from map(_with_bytes, part, found)


def _audit_part(files: Sequence[PhotoFile], threads: int) -> list[AuditedFile]:
    audited = _read_in_threads(files, threads)
    return list(audited) if _are_remote(files) else [replace(one, data=None) for one in audited]


def _with_bytes(file: PhotoFile, audited: AuditedFile) -> AuditedFile:
    """What was found in some process, with the bytes: to read them again takes less memory than to hand them over.

    Raises:
        UserError: they are others by now.
    """
    if not audited.was_read or audited.data is not None:
        return audited
    again = _read(file)
    if again.data is None or (audited.facts and audited.facts.image_id != sha256(again.data).hexdigest()):
        raise UserError(f"{file.path} changed while it was being ingested; leave the folder alone and start again.")
    return replace(audited, data=again.data)


def read_files(
    files: Iterable[PhotoFile], work: Callable[[AuditedFile], Result], *, remote: bool, workers: int, at_once: int = 1
) -> Generator[Result, None, None]:
    """Read files and do something with each, in threads, only as far ahead as these need.

    Args:
        files: the files.
        work: is given each with its bytes, or with the problem that kept them from being read; must be safe to call
            from several threads.
        remote: whether each read is a journey, so that many at once are quicker.
        workers: threads that work; 1 means this thread.
        at_once: files a thread is given at a time.

    Yields:
        What came of each file, in their order.

    Raises:
        UserError: a file changes while it is read, or a server stops answering.
    """
    if remote:
        with closing(_read_ahead(files)) as read:
            yield from ordered_map(work, read, workers=workers, at_once=at_once)
    elif workers > 1:
        yield from ordered_map(lambda file: work(_read(file)), files, workers=workers, at_once=at_once)
    else:
        yield from (work(_read(file)) for file in files)


def _read_ahead(files: Iterable[PhotoFile]) -> Generator[AuditedFile, None, None]:
    yield from ordered_map(_read, files, workers=REMOTE_READERS)


def _read(file: PhotoFile) -> AuditedFile:
    """A file with its bytes, not measured yet."""
    if file.problem or file.origin is None:
        return AuditedFile(file, None, file.problem, None, was_read=False)
    try:
        return AuditedFile(file, None, "", file.origin.read(), was_read=True)
    except UnreadableImage as reason:
        return AuditedFile(file, None, str(reason), None, was_read=False)


def _measure(read: AuditedFile) -> AuditedFile:
    if read.data is None:
        return read
    try:
        return AuditedFile(read.file, audit_bytes(read.data), "", read.data, was_read=True)
    except UnreadableImage as reason:
        return AuditedFile(read.file, None, str(reason), read.data, was_read=True)
