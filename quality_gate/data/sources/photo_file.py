"""A file that may be a photo: what the source says of it, and where its bytes are read from."""

import os
import unicodedata
from dataclasses import dataclass
from typing import Protocol

# More than any photo within the pixel limit takes uncompressed; a film in a class folder is not read into memory.
MAX_FILE_BYTES = 256 * 1024 * 1024


class Origin(Protocol):
    """Where the bytes of a file are read from."""

    @property
    def name(self) -> str:
        """Absolute path or URL."""

    @property
    def stamp(self) -> str:
        """Size and time, or a checksum: equal stamps mean equal bytes. '' where nothing vouches for that."""

    @property
    def remote(self) -> bool:
        """Whether each read is a journey, so that many at once are quicker."""

    def read(self) -> bytes:
        """The bytes.

        Raises:
            UnreadableImage: this file cannot be read, or is larger than any photo.
            UserError: it changes while it is read, or nothing more can be read at all.
        """


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file that a source offers as a photo.

    Attributes:
        path: relative to the source, with ``/`` between folders; in several sources after the name of its own.
        label: its class; '' outside any.
        split: ``train`` or ``test`` as the source says, ``reviewed`` for photos of the operation; '' where it says
            nothing.
        problem: why it is not even opened, or is left out of the run; '' for files that can be tried.
        origin: where its bytes are; None where it is not to be opened.
    """

    path: str
    label: str
    split: str
    problem: str = ""
    origin: Origin | None = None


@dataclass(frozen=True)
class Source:
    """Labelled photos.

    Attributes:
        name: folder, CSV file or URL, as it was given; of several, all.
        places: the same, one by one.
        files: every file that is offered as a photo, sorted by path.
        classes: names of the classes, sorted.
        left_out: files that are not offered, because the settings leave them out: ``problem`` says by which. They
            count neither as photos nor as unreadable.
    """

    name: str
    places: tuple[str, ...]
    files: tuple[PhotoFile, ...]
    classes: tuple[str, ...]
    left_out: tuple[PhotoFile, ...] = ()


def plain_name(label: str) -> str:
    """What is left of a label without case, outer spaces and differences of Unicode form."""
    return unicodedata.normalize("NFKC", label).strip().casefold()


def too_large(size: int) -> str:
    """Why a file of ``size`` bytes, which is too many, is not read."""
    return f"{size / 2**20:,.0f} MB; at most {MAX_FILE_BYTES // 2**20} are accepted"


def printable(name: str) -> str:
    """The name with bytes that are no UTF-8 written as hexadecimal escapes."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
