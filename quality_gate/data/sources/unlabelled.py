"""Photos without classes: those of a folder or behind a URL, however deep."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from quality_gate.data.sources.class_folders import Entry, Tree, is_photo
from quality_gate.data.sources.local import LocalTree
from quality_gate.data.sources.photo_file import PhotoFile
from quality_gate.data.sources.remote import RemoteTree, is_url, place_name
from quality_gate.errors import UserError


class UnlabelledPhotos:
    """The files below a place whose names end as those of photos do, listed anew each time they are asked for.

    Hidden files, links out of the folder and links to folders are treated as in a source of labelled photos. A folder
    that is not looked into is listed in place of its files, with the problem.

    Args:
        place: path or URL of a folder.

    Raises:
        UserError: it cannot be listed; or, behind a URL, nothing is there.
    """

    def __init__(self, place: str) -> None:
        name = place_name(place)
        self.is_remote = is_url(name)
        if not self.is_remote and not Path(name).is_dir():
            found = "is a file" if Path(name).exists() else "does not exist"
            raise UserError(f"{name} {found}; expected a folder of photos, or the URL of one.")
        self._tree: Tree = RemoteTree(name) if self.is_remote else LocalTree(Path(name))

    def __iter__(self) -> Iterator[PhotoFile]:
        """The files, folder by folder.

        Raises:
            UserError: the folder cannot be opened.
        """
        for entry in self._tree.walk(""):
            if not entry.path:
                raise UserError(f"{self._tree.place('')}: {entry.problem}.")
            if _is_offered(entry):
                yield _photo(entry)

    def find(self, path: str) -> PhotoFile | None:
        """One of them by its path; None if it is there no more."""
        entry = self._tree.find(path)
        return None if entry is None else _photo(entry)


def _is_offered(entry: Entry) -> bool:
    # What has a problem and no suffix may be a folder full of photos.
    return is_photo(entry) or bool(entry.problem and not PurePosixPath(entry.path).suffix)


def _photo(entry: Entry) -> PhotoFile:
    return PhotoFile(entry.path, "", "", entry.problem, entry.origin)
