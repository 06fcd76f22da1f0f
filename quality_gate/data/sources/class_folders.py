"""Class folders, with or without ``train/`` and ``test/`` above them, wherever they lie."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from quality_gate.data.sources.photo_file import Origin, PhotoFile, printable
from quality_gate.errors import UserError

# What operating systems leave in folders; with hidden files the only thing that is passed over.
_DROPPINGS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

# Outside class folders only these count as photos: a manifest or a licence beside the class folders is none.
_PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif"}
)

_OUTSIDE = "lies outside any class folder; move it into one"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or a folder that cannot be entered.

    Attributes:
        path: relative to the root of its tree, fit to be shown.
        problem: why it is not to be opened; '' if it can be tried.
        origin: where its bytes are; None where it has a problem.
    """

    path: str
    problem: str
    origin: Origin | None


class Tree(Protocol):
    """Folders and files below a root; hidden ones and droppings of operating systems are passed over."""

    def place(self, folder: str) -> str:
        """How a folder is called in a message; '' is the root."""

    def look_into(self, folder: str) -> tuple[list[str], list[Entry]]:
        """Names of the folders in a folder, and its files, both sorted.

        Raises:
            UserError: it is absent, empty, or cannot be entered.
        """

    def walk(self, folder: str) -> Iterator[Entry]:
        """All files below a folder, '' for all, however deep."""

    def find(self, path: str) -> Entry | None:
        """A file by its path; None if there is none."""

    def relative(self, path: str) -> str | None:
        """A path or address relative to the root; None if it leads out of it."""


def is_passed_over(name: str) -> bool:
    """Whether a file or folder is hidden, or left there by an operating system."""
    return name.startswith(".") or name.casefold() in _DROPPINGS


def class_folders(tree: Tree) -> list[PhotoFile]:
    """The files of class folders: each belongs to the class of its folder, whatever its name ends with.

    Photos outside class folders are listed with their problem.

    Raises:
        UserError: there are no class folders, one has no files, or ``train`` or ``test`` is spelt otherwise.
    """
    folders, strays = tree.look_into("")
    parts = _parts(tree, folders)
    files = [_stray(entry, "") for entry in strays if is_photo(entry)]
    if "" not in parts:
        beside = [name for name in folders if name not in parts]
        files += [_stray(entry, "") for name in beside for entry in tree.walk(name) if is_photo(entry)]
    for part in parts:
        labels, loose = (folders, []) if part == "" else tree.look_into(part)
        files += [_stray(entry, part) for entry in loose if is_photo(entry)]
        _check_names(tree, part, labels)
        for label in labels:
            files += _members(tree, part, label)
    return files


def _parts(tree: Tree, folders: list[str]) -> tuple[str, ...]:
    """The folders that hold class folders; their names are the splits they stand for, '' is the root."""
    for name in folders:
        meant = name.strip().casefold()
        if meant in ("train", "test") and name != meant:
            raise UserError(f"{tree.place(name)}: rename the folder to '{meant}', or it would be taken for a class.")
    if "test" in folders and "train" not in folders:
        raise UserError(
            f"{tree.place('')}: there is a folder 'test' but no 'train'; put the training photos into 'train'."
        )
    return tuple(name for name in ("train", "test") if name in folders) or ("",)


def _check_names(tree: Tree, part: str, labels: list[str]) -> None:
    place = tree.place(part)
    if not labels:
        hint = "; remove it to have a test split made" if part == "test" else ""
        raise UserError(f"{place}: no class folders; expected one folder of photos for each class{hint}.")
    unprintable = [name for name in labels if printable(name) != name]
    if unprintable:
        raise UserError(f"{place}: the folder name '{printable(unprintable[0])}' is not UTF-8; rename it.")


def _members(tree: Tree, part: str, label: str) -> list[PhotoFile]:
    folder = f"{part}/{label}" if part else label
    members = [PhotoFile(entry.path, label, part, entry.problem, entry.origin) for entry in tree.walk(folder)]
    if not members:
        raise UserError(f"{tree.place(folder)}: the class folder has no files; put photos into it or remove it.")
    return members


def _stray(entry: Entry, part: str) -> PhotoFile:
    return PhotoFile(entry.path, "", part, _OUTSIDE)


def is_photo(entry: Entry) -> bool:
    """Whether a file calls itself a photo, by what its name ends with."""
    return PurePosixPath(entry.path).suffix.casefold() in _PHOTO_SUFFIXES
