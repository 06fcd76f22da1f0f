"""Folders and files of this machine's file systems."""

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from quality_gate.data.sources import photo_file
from quality_gate.data.sources.class_folders import Entry, is_passed_over
from quality_gate.data.sources.photo_file import printable, too_large
from quality_gate.errors import UserError
from quality_gate.preprocess import UnreadableImage

# The coarsest clock of a file system in use (FAT): a file that changed later than this before it was listed may change
# once more without another time.
COARSEST_CLOCK_NS = 2_000_000_000

_OUT = "a link out of the source folder, which is not followed; copy the photo here"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file.

    Attributes:
        root: absolute path of the folder it was found below; all files of a tree share it.
        path: its path below that.
        stamp: size, time of the last change of its contents and of the file itself; '' if that was a moment ago.
    """

    root: str
    path: str
    stamp: str
    remote: bool = False

    @property
    def name(self) -> str:
        """Its absolute path."""
        return f"{self.root}/{self.path}"

    def read(self) -> bytes:
        """The bytes; errors as of :meth:`Origin.read`."""
        try:
            # A Path would leave its name among the interned strings; a file read at once needs no buffer.
            with open(self.name, "rb", buffering=0) as file:  # noqa: PTH123
                before = os.fstat(file.fileno())
                if before.st_size > photo_file.MAX_FILE_BYTES:
                    raise UnreadableImage(too_large(before.st_size))
                data = file.read()
                after = os.fstat(file.fileno())
        except OSError as error:
            raise UnreadableImage(f"cannot be read ({error.strerror or error})") from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UserError(f"{self.name} changed while it was being ingested; leave the folder alone and start again.")
        return data


class LocalTree:
    """A folder. Links out of it, links to folders in it, and what is no regular file are listed and never opened.

    Args:
        root: the folder; may itself be a link.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._absolute = os.path.abspath(root)  # noqa: PTH100 - Path.absolute keeps `..`
        self._listed_at = time.time_ns()
        self._real_folder = lru_cache(maxsize=None)(os.path.realpath)

    @cached_property
    def _real(self) -> str:
        return os.path.realpath(self._root)

    def place(self, folder: str) -> str:
        """How a folder is called in a message."""
        return f"{self._root}/{folder}" if folder else self._root

    def look_into(self, folder: str) -> tuple[list[str], list[Entry]]:
        """Names of the folders in a folder, and its files; errors as of :meth:`Tree.look_into`."""
        place = self.place(folder)
        if folder and Path(place).is_symlink():
            raise UserError(f"{place} is a link, and links to folders are not followed; put the folder itself there.")
        if Path(place).is_file():
            raise UserError(f"{place} is a file; expected a folder of class folders with photos, or a .csv file.")
        if not Path(place).is_dir():
            raise UserError(
                f"{place} does not exist; expected a folder of class folders with photos: put it there, or name yours "
                "in data.source."
            )
        try:
            entries = self._visible(place)
        except OSError as error:
            raise UserError(f"{place}: the folder cannot be opened ({error.strerror}); allow reading it.") from None
        if not entries:
            raise UserError(f"{place}: the folder is empty; expected one folder of photos for each class.")
        above = f"{folder}/" if folder else ""
        folders = [entry.name for entry in entries if entry.is_dir()]
        return folders, [self._entry(above, entry) for entry in entries if not entry.is_dir()]

    def walk(self, folder: str) -> Iterator[Entry]:
        """Files below a folder, '' for all; one that is a link, or cannot be opened, comes in place of its files."""
        place = self.place(folder)
        if folder and Path(place).is_symlink():
            yield Entry(printable(folder), self._link_problem(place), None)
            return
        try:
            entries = self._visible(place)
        except OSError:
            yield Entry(printable(folder), "the folder cannot be opened; allow reading it", None)
            return
        above = f"{folder}/" if folder else ""
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self.walk(above + entry.name)
            else:
                yield self._entry(above, entry)

    def find(self, path: str) -> Entry | None:
        """A file by its path below the root; None if there is none."""
        name = f"{self._root}/{path}"
        try:
            is_link = stat.S_ISLNK(os.lstat(name).st_mode)
        except (OSError, ValueError):
            return None
        if not _is_below(self._real_folder(os.path.dirname(name)), self._real):  # noqa: PTH120 - a Path is slower
            return Entry(path, "behind a link out of the source folder, which is not followed; copy it here", None)
        return self._checked(path, name, is_link=is_link)

    def relative(self, path: str) -> str | None:
        """A path relative to the root; None if it leads out of it."""
        absolute = os.path.abspath(os.path.join(self._absolute, path))  # noqa: PTH100, PTH118 - links stay as they are
        return os.path.relpath(absolute, self._absolute) if _is_below(absolute, self._absolute) else None

    def _visible(self, place: str) -> list["os.DirEntry[str]"]:
        with os.scandir(place) as entries:
            return sorted((entry for entry in entries if not is_passed_over(entry.name)), key=lambda entry: entry.name)

    def _entry(self, above: str, entry: "os.DirEntry[str]") -> Entry:
        return self._checked(printable(above + entry.name), entry.path, is_link=entry.is_symlink())

    def _checked(self, path: str, name: str, *, is_link: bool) -> Entry:
        if is_link and (problem := self._link_problem(name)):
            return Entry(path, problem, None)
        try:
            found = os.stat(name)  # noqa: PTH116 - a Path for each of a million files takes longer than the question
        except OSError as error:
            return Entry(path, f"cannot be read ({error.strerror or error})", None)
        if not stat.S_ISREG(found.st_mode):
            return Entry(path, "not a regular file", None)
        if printable(name) != name:
            return Entry(path, "its name is not UTF-8; rename it", None)
        return Entry(path, "", LocalFile(self._absolute, path, self._stamp(found)))

    def _link_problem(self, name: str) -> str:
        """Why a link is not followed; '' if it leads to a file of the source."""
        target = os.path.realpath(name)
        if not Path(target).exists():
            return "a link to nothing"
        if not _is_below(target, self._real):
            return _OUT
        return "a link to a folder, which is not followed; copy the photos here" if Path(target).is_dir() else ""

    def _stamp(self, found: os.stat_result) -> str:
        # A time in the future is a wrong clock's, and says nothing of when the file changed last.
        times = [when for when in (found.st_mtime_ns, found.st_ctime_ns) if when <= self._listed_at]
        if not times or self._listed_at - max(times) < COARSEST_CLOCK_NS:
            return ""
        return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
