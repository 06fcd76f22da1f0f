"""The inbox: which of its files have arrived, and where they go once they are answered or found unusable."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from quality_gate.data.sources import PhotoFile
from quality_gate.data.sources.unlabelled import UnlabelledPhotos
from quality_gate.home import Home
from quality_gate.models.manifest import file_digest
from quality_gate.prediction.record import Record, Recorded


class ArrivedPhotos:
    """Photos of the inbox that nobody is still writing.

    Args:
        photos: of the inbox.
        settle_seconds: a file that changed in the last so many seconds may still be on its way.

    Attributes:
        on_their_way: files that were passed over when they were listed last.
    """

    def __init__(self, photos: UnlabelledPhotos, settle_seconds: float) -> None:
        self._photos = photos
        self._settle_seconds = settle_seconds
        self.on_their_way = 0

    def __iter__(self) -> Iterator[PhotoFile]:
        """The files that have arrived."""
        self.on_their_way = 0
        for file in self._photos:
            if file.origin is not None and self._is_on_its_way(Path(file.origin.name)):
                self.on_their_way += 1
            else:
                yield file

    def _is_on_its_way(self, path: Path) -> bool:
        try:
            # The time the system set: that of the contents may be copied from elsewhere.
            age = time.time() - path.stat().st_ctime
        except OSError:
            return False
        # A time in the future is a wrong clock's; the file must not wait for it.
        return 0 <= age < self._settle_seconds


@dataclass(frozen=True)
class Moved:
    """Where the files of the inbox went; ``stayed`` could not be moved, or were replaced since they were read."""

    done: int
    quarantined: int
    stayed: int

    def sentence(self) -> str:
        """The moves in one line."""
        stayed = f", {self.stayed} stay for the next run: replaced since they were read, or not to be moved"
        return f"{self.done} moved to inbox_done, {self.quarantined} to inbox_quarantine{stayed * bool(self.stayed)}"


def empty_inbox(record: Record, home: Home) -> Moved:
    """Move what a run met out of the inbox: answered photos to a folder of the day, bad files to the quarantine.

    To be called after the answers are durable in the prediction log. Nothing is deleted and nothing overwritten. A file
    that was replaced since it was read stays for the next run.

    Args:
        record: of the run.
        home: of the inbox.
    """
    day = home.inbox_done / f"{datetime.now(UTC):%Y-%m-%d}"
    done = quarantined = stayed = 0
    for recorded in record.current():
        source = home.inbox / recorded.path
        if not os.path.lexists(source):
            # Moved by the killed run that this one continues, or taken away by somebody.
            continue
        target = (home.inbox_quarantine if recorded.problem else day) / recorded.path
        if not _is_what_was_read(source, recorded) or not _move(source, target):
            stayed += 1
        elif recorded.problem:
            quarantined += 1
        else:
            done += 1
    return Moved(done, quarantined, stayed)


def _is_what_was_read(path: Path, recorded: Recorded) -> bool:
    if not recorded.image_sha256:
        # Nothing could be read of it. A folder full of files is left where it is.
        return path.is_symlink() or not path.is_dir()
    try:
        return file_digest(path) == recorded.image_sha256
    except OSError:
        return False


def _move(source: Path, target: Path) -> bool:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, _free(target))
    except OSError:
        return False
    return True


def _free(target: Path) -> Path:
    """The target, or a name beside it that nothing has."""
    if not os.path.lexists(target):
        return target
    numbered = (target.with_name(f"{target.stem}-{number}{target.suffix}") for number in count(2))
    return next(name for name in numbered if not os.path.lexists(name))
