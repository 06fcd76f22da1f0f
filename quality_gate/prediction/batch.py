"""A batch as a value that steps hand on: whose answers, to which photos, in which record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quality_gate.batch_settings import INBOX
from quality_gate.data.sources.unlabelled import UnlabelledPhotos
from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.prediction.record import Record
from quality_gate.preprocess import UnreadableImage
from quality_gate.step_value import StepValue


@dataclass(frozen=True)
class Batch(StepValue):
    """A batch that is answered and logged.

    Attributes:
        gate: whose champion answered.
        source: where the photos are: an absolute path, a URL, or ``inbox``.
        model_version: of the champion.
        classes: its labels, in order.
        record: path of the record.
        new: photos that were answered by this run; the others had their answers before.
        on_their_way: files of the inbox that are left to the next run.
    """

    gate: str
    source: str
    model_version: str
    classes: tuple[str, ...]
    record: str
    new: int
    on_their_way: int

    def to_json(self) -> dict[str, Any]:
        """The batch as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Batch:
        """Rebuild a batch from :meth:`to_json`."""
        return cls(**values | {"classes": tuple(values["classes"])})

    def open_record(self) -> Record:
        """What came of its files.

        Raises:
            UserError: it cannot be used.
        """
        return Record(Path(self.record))

    def reader(self, home: Home) -> Callable[[str], bytes | None]:
        """Reads photos of it by their paths; gives None for one that cannot be read any more.

        Raises:
            UserError: the source cannot be listed.
        """
        photos = photos_of(self.source, home)

        def read(path: str) -> bytes | None:
            file = photos.find(path)
            try:
                return None if file is None or file.origin is None else file.origin.read()
            except (UnreadableImage, UserError):
                return None

        return read


def photos_of(source: str, home: Home) -> UnlabelledPhotos:
    """The files of a source; the inbox is made where it is not there.

    Raises:
        UserError: it cannot be listed.
    """
    if source == INBOX:
        home.inbox.mkdir(parents=True, exist_ok=True)
        return UnlabelledPhotos(str(home.inbox))
    return UnlabelledPhotos(source)
