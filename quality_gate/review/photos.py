"""The photos that people are to look at, kept by content: one file a photo, named by its SHA-256.

Only the standard library is imported.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOCK_FILE = ".sweeping"
_UNFINISHED = ".new"
_UNFINISHED_SECONDS = 3600.0


class PhotosUnavailable(Exception):
    """A photo cannot be kept now."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file: when its photo came last, in seconds since the epoch, its size in bytes, and if it has another name."""

    path: Path
    time: float
    size: int
    is_taken: bool


class PhotoStore:
    """The photos in a folder; safe for several threads and processes.

    Args:
        folder: where they lie; made when the first is kept.
        max_bytes: how much they may take together; held by :meth:`sweep`.
        retention: how long a photo is kept after it came last.
        durable: whether a kept photo survives the loss of power, which takes the milliseconds of the disk.
    """

    def __init__(self, folder: Path, *, max_bytes: int, retention: timedelta, durable: bool = True) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._retention = retention.total_seconds()
        self._durable = durable

    def keep(self, image_sha256: str, data: bytes) -> None:
        """Keep a photo; it is whole on the disk when this returns, or not there at all.

        Raises:
            PhotosUnavailable: the disk is full or fails.
        """
        path = self.path(image_sha256)
        try:
            with suppress(FileNotFoundError):
                # It came again: its time of keeping begins anew.
                os.utime(path)
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(path, data)
        except OSError as error:
            raise PhotosUnavailable(f"{self.folder}: a photo cannot be kept there ({error.strerror})") from error

    def read(self, image_sha256: str) -> bytes | None:
        """The bytes of a photo; None if it is not kept, or not any more."""
        try:
            return self.path(image_sha256).read_bytes() if _SHA256.fullmatch(image_sha256) else None
        except OSError:
            return None

    def holds(self, image_sha256: str) -> bool:
        """Whether a photo is kept."""
        return bool(_SHA256.fullmatch(image_sha256)) and self.path(image_sha256).is_file()

    def names(self) -> set[str]:
        """The SHA-256 of every photo that is kept; found in one pass, where ``holds`` would look for each by itself."""
        names = set[str]()
        for folder in self.folder.glob("[0-9a-f][0-9a-f]"):
            with suppress(FileNotFoundError, NotADirectoryError):
                names.update(path.name for path in folder.iterdir() if _SHA256.fullmatch(path.name))
        return names

    def path(self, image_sha256: str) -> Path:
        """Where a photo lies, if it is kept."""
        return self.folder / image_sha256[:2] / image_sha256

    def sweep(self, reviewed: Callable[[Collection[str]], Set[str]]) -> int:
        """Delete what is too old, and of too much first the oldest reviewed photos that a retraining has taken.

        These have a second name in its dataset: a label is not lost with its photo. Then come the oldest.

        Args:
            reviewed: tells which of many photos somebody has reviewed; asked only where there are too many.

        Returns:
            How many photos were deleted; 0 as well where another process is at it.
        """
        with self._alone() as alone:
            if not alone:
                return 0
            kept = sorted(self._kept(), key=lambda photo: photo.time)
            begin = time.time() - self._retention
            doomed = [photo for photo in kept if photo.time < begin]
            left = [photo for photo in kept if photo.time >= begin]
            over = sum(photo.size for photo in left) - self._max_bytes
            if over > 0:
                done = reviewed([photo.path.name for photo in left])
                for photo in sorted(left, key=lambda photo: not (photo.is_taken and photo.path.name in done)):
                    if over <= 0:
                        break
                    doomed.append(photo)
                    over -= photo.size
            return sum(map(_delete, doomed))

    def _write(self, path: Path, data: bytes) -> None:
        new = path.with_name(f"{uuid4().hex}{_UNFINISHED}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                if self._durable:
                    file.flush()
                    os.fdatasync(file.fileno())
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        if self._durable:
            _sync_folder(path.parent)

    def _kept(self) -> Iterator[_Kept]:
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue
            if _SHA256.fullmatch(path.name):
                yield _Kept(path, facts.st_mtime, facts.st_size, facts.st_nlink > 1)
            elif path.suffix == _UNFINISHED and facts.st_mtime < time.time() - _UNFINISHED_SECONDS:
                # Of a process that was killed.
                path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        if not self.folder.is_dir():
            yield False
            return
        descriptor = os.open(self.folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)


def _delete(photo: _Kept) -> bool:
    # Out of the way before it is looked at: whoever keeps the photo from now on writes it anew.
    doomed = photo.path.with_name(f"{uuid4().hex}{_UNFINISHED}")
    try:
        photo.path.rename(doomed)
    except FileNotFoundError:
        return False
    if doomed.stat().st_mtime != photo.time:
        # It came again meanwhile.
        doomed.replace(photo.path)
        return False
    doomed.unlink()
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
