"""Files behind a URL: every protocol that fsspec knows, with the credentials its library finds in the environment."""

import posixpath
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from quality_gate.data.sources.class_folders import Entry, is_passed_over
from quality_gate.data.sources.photo_file import MAX_FILE_BYTES, too_large
from quality_gate.errors import UserError
from quality_gate.preprocess import UnreadableImage

# What stores call a checksum or a version of a file's contents, and the time they were written.
_CHECKSUMS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "crc32c", "CRC", "sha")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")

# A file that was written later than this before it was listed may be written once more without another time.
_COARSEST_CLOCK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file behind a URL.

    Attributes:
        system: fsspec's file system.
        path: what the file system calls it.
        name: its URL.
        stamp: size and checksum, or size and time, as the listing says; '' where it says neither.
    """

    system: Any
    path: str
    name: str
    stamp: str
    remote: bool = True

    def read(self) -> bytes:
        """The bytes; errors as of :meth:`Origin.read`."""
        try:
            return bytes(self.system.cat_file(self.path))
        except (FileNotFoundError, PermissionError) as error:
            raise UnreadableImage(f"cannot be read ({error.strerror or error})") from None
        except Exception as error:
            raise UserError(f"{self.name} cannot be read: {_reason(error)}; mend it and start again.") from None


class RemoteTree:
    """What lies below a URL, listed in one walk.

    Args:
        url: of the folder.

    Raises:
        UserError: the protocol is unknown, the place cannot be listed, or nothing is there.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._system, root = connect(url)
        self._files = {
            path: info
            for path, info in _list(self._system, root, self._url)
            if not any(is_passed_over(part) for part in path.split("/"))
        }
        if not self._files:
            raise UserError(f"{self._url}: nothing is there; check the name of the bucket and the folder in it.")
        self._listed_at = time.time()
        self._folders: dict[str, tuple[dict[str, None], list[str]]] = {"": ({}, [])}
        for path in sorted(self._files):
            self._enter(path)

    def place(self, folder: str) -> str:
        """How a folder is called in a message."""
        return f"{self._url}/{folder}" if folder else self._url

    def look_into(self, folder: str) -> tuple[list[str], list[Entry]]:
        """Names of the folders in a folder, and its files."""
        folders, files = self._folders[folder]
        return list(folders), [self._entry(path) for path in files]

    def walk(self, folder: str) -> Iterator[Entry]:
        """All files below a folder, '' for all, however deep."""
        folders, files = self._folders[folder]
        yield from (self._entry(path) for path in files)
        for name in folders:
            yield from self.walk(f"{folder}/{name}" if folder else name)

    def find(self, path: str) -> Entry | None:
        """A file by its path below the root; None if there is none."""
        return self._entry(path) if path in self._files else None

    def relative(self, path: str) -> str | None:
        """A path or URL relative to the root; None if it leads out of it."""
        below = path.removeprefix(self._url + "/")
        if "://" in below or below.startswith("/"):
            return None
        below = posixpath.normpath(below)
        return None if below.split("/")[0] == ".." else below

    def _enter(self, path: str) -> None:
        *folders, _ = path.split("/")
        above = ""
        for name in folders:
            self._folders[above][0][name] = None
            above = f"{above}/{name}" if above else name
            self._folders.setdefault(above, ({}, []))
        self._folders[above][1].append(path)

    def _entry(self, path: str) -> Entry:
        info = self._files[path]
        if (info.get("size") or 0) > MAX_FILE_BYTES:
            return Entry(path, too_large(info["size"]), None)
        stamp = _stamp(info, self._listed_at)
        return Entry(path, "", RemoteFile(self._system, info["name"], f"{self._url}/{path}", stamp))


def is_url(place: str) -> bool:
    """Whether a place is a URL rather than a path of this machine."""
    return "://" in place or "::" in place


def place_name(place: str | Path) -> str:
    """A path or URL as trees are given it: the path itself where a URL means a file of this machine."""
    if isinstance(place, str) and is_url(place) and not place.startswith(("file://", "local://")):
        return place
    return str(Path(str(place).removeprefix("file://").removeprefix("local://")).expanduser())


def read_remote(url: str) -> bytes:
    """The bytes behind a URL.

    Raises:
        UserError: they cannot be read.
    """
    system, path = connect(url)
    try:
        return bytes(system.cat_file(path))
    except Exception as error:
        raise UserError(f"{url} cannot be read: {_reason(error)}.") from None


def connect(url: str) -> tuple[Any, str]:
    """Fsspec's file system of a URL, and what it calls the place.

    Raises:
        UserError: no library is installed that knows the protocol, or it refuses the URL.
    """
    from fsspec.core import url_to_fs

    try:
        # Within a process file systems are shared otherwise, with what they listed before.
        system, path = url_to_fs(url, skip_instance_cache=True)
    except ImportError as error:
        raise UserError(f"{url}: {error}; install that package beside this one.") from None
    except Exception as error:
        raise UserError(f"{url} cannot be reached: {_reason(error)}; check the part before '://'.") from None
    return system, str(path)


def _list(system: Any, root: str, url: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        found = system.find(root, detail=True)
    except FileNotFoundError as error:
        raise UserError(f"{url} does not exist ({_reason(error)}); check the name of the bucket and folder.") from None
    except Exception as error:
        raise UserError(f"{url} cannot be listed: {_reason(error)}; {_way_out(error)}.") from None
    above = root.rstrip("/") + "/" if root.strip("/") else root
    return [
        (name.removeprefix(above).lstrip("/"), {**info, "name": name})
        for name, info in found.items()
        if info.get("type") == "file" and not name.endswith("/") and name != root
    ]


def _way_out(error: Exception) -> str:
    if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
        return "put the credentials of someone who may read it into the environment, as the protocol's library expects"
    return "check the address, the network and the credentials in the environment"


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _stamp(info: Mapping[str, Any], listed_at: float) -> str:
    """Size and checksum, or size and time if that is long enough ago; '' where neither is said."""
    checksum = next((info[key] for key in _CHECKSUMS if info.get(key) is not None), None)
    if checksum is not None:
        return f"{info.get('size')} {checksum}"
    time_ = next((info[key] for key in _TIMES if info.get(key) is not None), None)
    seconds = time_.timestamp() if isinstance(time_, datetime) else time_
    if not isinstance(seconds, int | float) or listed_at - seconds < _COARSEST_CLOCK_SECONDS:
        return ""
    return f"{info.get('size')} {seconds!r}"
