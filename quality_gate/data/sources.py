"""Which files a source holds, and what its folders say of them: class, and train or test."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quality_gate.errors import UserError

# What operating systems leave in folders; with hidden files the only thing that is passed over.
_DROPPINGS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})

# Outside class folders only these count as photos: a manifest or a licence beside the class folders is none.
_PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif"}
)

_OUTSIDE = "lies outside any class folder; move it into one"


@dataclass(frozen=True)
class PhotoFile:
    """A file that a source offers as a photo.

    Attributes:
        path: relative to the source, with ``/`` between folders.
        label: name of its class folder; '' outside any.
        split: ``train`` or ``test`` as the source says; '' where it has no such folders.
        problem: why it is not even opened; '' for files that can be tried.
    """

    path: str
    label: str
    split: str
    problem: str = ""


@dataclass(frozen=True)
class Source:
    """A folder of labelled photos.

    Attributes:
        root: the folder.
        files: every file that is offered as a photo, sorted by path.
        classes: names of the classes, sorted.
    """

    root: Path
    files: tuple[PhotoFile, ...]
    classes: tuple[str, ...]


def discover(source: Path) -> Source:
    """List the files of a source: class folders, or ``train/`` and ``test/`` with class folders in them.

    A class folder may have folders of its own; their files belong to the class, whatever their name ends with. Hidden
    files and folders and what operating systems leave behind (``Thumbs.db``, ``desktop.ini``, ``__MACOSX``) are passed
    over. Photos outside class folders and links that are not followed are listed with their problem. ``train/``
    without ``test/`` is a source whose test photos are still to be split off.

    Raises:
        UserError: there is no such folder, it is empty or has no class folders, there is only one class, a class
            folder has no files, labels differ only in case, spaces or Unicode form, ``train`` or ``test`` is spelt
            otherwise, or ``test/`` has a class that ``train/`` lacks.
    """
    root = source.expanduser()
    folders, strays = _look_into(root)
    parts = _parts(root, folders)
    files = [_outside(root, path, "") for path in strays if _is_photo(path)]
    if "" not in parts:
        beside = [name for name in folders if name not in parts]
        files += [_outside(root, path, "") for name in beside for path in _walk(root / name) if _is_photo(path)]
    labels: dict[str, list[str]] = {}
    for part, folder in parts.items():
        names, loose = _look_into(folder)
        labels[part] = names
        if part:
            files += [_outside(root, path, part) for path in loose if _is_photo(path)]
    _check_labels(root, labels)
    for part, folder in parts.items():
        for label in labels[part]:
            members = [_file(root, path, label, part) for path in _walk(folder / label)]
            if not members:
                raise UserError(f"{folder / label}: the class folder has no files; put photos into it or remove it.")
            files += members
    classes = tuple(sorted({name for names in labels.values() for name in names}))
    return Source(root, tuple(sorted(files, key=lambda file: file.path)), classes)


def _parts(root: Path, folders: list[str]) -> dict[str, Path]:
    """The folders that hold class folders, by the split they stand for."""
    for name in folders:
        meant = name.strip().casefold()
        if meant in ("train", "test") and name != meant:
            raise UserError(f"{root / name}: rename the folder to '{meant}', or it would be taken for a class.")
    if "test" in folders and "train" not in folders:
        raise UserError(f"{root}: there is a folder 'test' but no 'train'; put the training photos into 'train'.")
    if "train" not in folders:
        return {"": root}
    parts: dict[str, Path] = {name: root / name for name in ("train", "test") if name in folders}
    for folder in parts.values():
        if folder.is_symlink():
            raise UserError(f"{folder} is a link, and links to folders are not followed; put the folder itself there.")
    return parts


def _check_labels(root: Path, labels: dict[str, list[str]]) -> None:
    for part, names in labels.items():
        place = root / part
        if not names:
            hint = "; remove it to have a test split made" if part == "test" else ""
            raise UserError(f"{place}: no class folders; expected one folder of photos for each class{hint}.")
        unprintable = [name for name in names if _printable(name) != name]
        if unprintable:
            raise UserError(f"{place}: the folder name '{_printable(unprintable[0])}' is not UTF-8; rename it.")
    _check_spelling(root, labels)
    training = labels.get("train", labels.get("", []))
    unknown = [name for name in labels.get("test", []) if name not in training]
    if unknown:
        listed = ", ".join(repr(name) for name in unknown)
        raise UserError(
            f"{root / 'test'}: the class {listed} is unknown to train/; add it there or remove it from test/."
        )
    if len(training) == 1:
        raise UserError(
            f"{root}: only one class folder, '{training[0]}', and at least two are needed; add the other classes, "
            "or name the folder that holds the class folders."
        )


def _check_spelling(root: Path, labels: dict[str, list[str]]) -> None:
    seen: dict[str, Path] = {}
    for part, names in labels.items():
        for name in names:
            place = root / part / name
            other = seen.setdefault(unicodedata.normalize("NFKC", name).strip().casefold(), place)
            if other.name != name:
                raise UserError(
                    f"'{other.relative_to(root)}' and '{place.relative_to(root)}' in {root} differ only in case, "
                    "spaces or Unicode form; give one class one name."
                )


def _look_into(folder: Path) -> tuple[list[str], list[Path]]:
    """Names of the visible folders in a folder, and its visible files, both sorted."""
    if folder.is_file():
        raise UserError(f"{folder} is a file; expected a folder of class folders with photos.")
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist; expected a folder of class folders with photos.")
    try:
        entries = list(_visible(folder))
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be opened ({error.strerror}); allow reading it.") from None
    folders = [entry.name for entry in entries if Path(entry.path).is_dir()]
    if not entries:
        raise UserError(f"{folder}: the folder is empty; expected one folder of photos for each class.")
    return folders, [Path(entry.path) for entry in entries if entry.name not in folders]


def _visible(folder: Path) -> Iterable[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if entry.name[0] != "." and entry.name.casefold() not in _DROPPINGS]
    return sorted(kept, key=lambda entry: entry.name)


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder; a folder that is a link, or cannot be opened, is yielded in place of its files."""
    if folder.is_symlink():
        yield folder
        return
    try:
        entries = _visible(folder)
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _outside(root: Path, path: Path, part: str) -> PhotoFile:
    return PhotoFile(_relative(root, path), "", part, _OUTSIDE)


def _file(root: Path, path: Path, label: str, part: str) -> PhotoFile:
    return PhotoFile(_relative(root, path), label, part, _problem(root, path))


def _problem(root: Path, path: Path) -> str:
    """Why a file is not to be opened; '' if it can be tried."""
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if not target.exists():
            return "a link to nothing"
        if not target.is_relative_to(os.path.realpath(root)):
            return "a link out of the source folder, which is not followed; copy the photo here"
        if target.is_dir():
            return "a link to a folder, which is not followed; copy the photos here"
    if path.is_dir():
        return "the folder cannot be opened; allow reading it"
    if not path.is_file():
        return "not a regular file"
    if _printable(str(path)) != str(path):
        return "its name is not UTF-8; rename it"
    return ""


def _is_photo(path: Path) -> bool:
    return path.suffix.casefold() in _PHOTO_SUFFIXES


def _relative(root: Path, path: Path) -> str:
    return _printable(path.relative_to(root).as_posix())


def _printable(name: str) -> str:
    """The name with bytes that are no UTF-8 written as hexadecimal escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
