"""Which files a source holds, and what it says of them: class, and train or test."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from quality_gate.data.sources.class_folders import class_folders
from quality_gate.data.sources.csv_file import csv_photos
from quality_gate.data.sources.labels import choose_classes, classes_of
from quality_gate.data.sources.local import LocalTree
from quality_gate.data.sources.photo_file import PhotoFile, Source
from quality_gate.data.sources.remote import RemoteTree, is_url, place_name
from quality_gate.data_settings import REVIEWED, CsvSettings, DataSettings
from quality_gate.errors import UserError

__all__ = ["PhotoFile", "Source", "discover", "is_url"]


def discover(place: str | Path | Sequence[str | Path], settings: DataSettings | None = None) -> Source:
    """List the files of a source, or of several joined.

    A source is a folder of class folders, with or without ``train/`` and ``test/`` above them; the URL of one; or a CSV
    file. A class folder may have folders of its own; their files belong to the class, whatever their name ends with.
    Hidden files and folders and what operating systems leave behind (``Thumbs.db``, ``desktop.ini``, ``__MACOSX``) are
    passed over. Photos outside class folders and links that are not followed are listed with their problem. ``train/``
    without ``test/`` is a source whose test photos are still to be split off.

    Args:
        place: path or URL of the source, or several.
        settings: how to read it; its own ``source`` is not looked at. None means the defaults.

    Raises:
        UserError: a source cannot be read, or its classes cannot be told apart; the message says what was expected.
    """
    settings = settings or DataSettings()
    places = [place_name(one) for one in ([place] if isinstance(place, str | Path) else place)]
    if settings.csv != CsvSettings() and not any(map(_is_table, places)):
        raise UserError(
            f"data.csv says how to read a .csv file, and data.source names none: {', '.join(places)}; name the .csv "
            "file there, or leave data.csv out for class folders."
        )
    source = _joined([_listed(name, settings) for name in places])
    chosen = choose_classes(source, settings.label_map, settings.min_images_per_class, settings.first_classes)
    if settings.reviewed is None:
        return chosen
    return _with_reviewed(chosen, _listed_reviewed(settings.reviewed, settings))


def _listed_reviewed(place: str, settings: DataSettings) -> Source:
    # The source may be a CSV file with other columns.
    own = settings.model_copy(update={"csv": CsvSettings()})
    try:
        return _listed(place_name(place), own)
    except UserError as error:
        reason = error.message.partition(";")[0].rstrip(".")
        raise UserError(
            f"data.reviewed: {reason}; expected a folder of class folders, or a .csv file with the columns path and "
            "label."
        ) from None


def _listed(name: str, settings: DataSettings) -> Source:
    left_out: list[PhotoFile] = []
    if _is_table(name):
        files, left_out = csv_photos(name, settings.csv, drop_missing=settings.missing == "drop")
    else:
        files = class_folders(RemoteTree(name) if is_url(name) else LocalTree(Path(name)))
        _check_no_table(name, classes_of(files))
    return Source(name, (name,), _sorted(files), classes_of(files), _sorted(left_out))


def _is_table(name: str) -> bool:
    return name.casefold().endswith(".csv") and not Path(name).is_dir()


def _check_no_table(name: str, classes: Sequence[str]) -> None:
    """Raise where a CSV file lies beside the only class folder, which is then likely to hold the photos of all."""
    tables = [] if is_url(name) or len(classes) > 1 else sorted(Path(name).glob("*.csv"))
    if tables:
        raise UserError(
            f"{name}: only one class folder, '{classes[0]}', and beside it {tables[0].name}; if that says of which "
            "class a photo is, name it in data.source and its columns in data.csv, else add the other class folders."
        )


def _sorted(files: Iterable[PhotoFile]) -> tuple[PhotoFile, ...]:
    return tuple(sorted(files, key=lambda file: file.path))


def _joined(sources: Sequence[Source]) -> Source:
    """Several sources as one: each path is preceded by the name of its source.

    Where one says what is test, the photos of the others are for training.
    """
    if len(sources) == 1:
        return sources[0]
    places = [source.name for source in sources]
    twice = [place for number, place in enumerate(places) if place in places[:number]]
    if twice:
        raise UserError(f"data.source names {twice[0]} twice; name each source once.")
    divided = any(file.split for source in sources for file in source.files)
    files, left_out = [], []
    for prefix, source in zip(telling_names(places), sources, strict=True):
        files += _below(prefix, source.files, divided=divided)
        left_out += _below(prefix, source.left_out, divided=divided)
    return Source(", ".join(places), tuple(places), _sorted(files), classes_of(files), _sorted(left_out))


def _with_reviewed(source: Source, reviewed: Source) -> Source:
    """A source and photos of the operation: paths of the former stay, those of the latter begin with ``reviewed/``.

    They have the classes that the model answers with, whatever the source called them; photos of others are left out.
    """
    own = {file.path for file in (*source.files, *source.left_out)}
    named = [
        replace(file, path=f"{REVIEWED}/{file.path}", split=REVIEWED) for file in (*reviewed.files, *reviewed.left_out)
    ]
    twice = next((file.path for file in named if file.path in own), None)
    if twice is not None:
        raise UserError(
            f"data.reviewed: {twice} would be the name of two photos, for the source has a folder {REVIEWED} too; give "
            "that folder another name, and the class its own with data.label_map."
        )
    left_out = [
        file if file.problem else replace(file, problem=f"its class '{file.label}' is none of the source", origin=None)
        for file in named
        if file.problem or file.label not in source.classes
    ]
    known = {file.path for file in left_out}
    return replace(
        source,
        name=f"{source.name}, {reviewed.name}",
        places=(*source.places, *reviewed.places),
        files=_sorted((*source.files, *(file for file in named if file.path not in known))),
        left_out=_sorted((*source.left_out, *left_out)),
    )


def _below(prefix: str, files: Iterable[PhotoFile], *, divided: bool) -> list[PhotoFile]:
    rest = "train" if divided else ""
    return [replace(file, path=f"{prefix}/{file.path}", split=file.split or rest) for file in files]


def telling_names(places: Sequence[str]) -> list[str]:
    """A short name for each place, all different: as many of its last folders as it takes, joined by '-'.

    Args:
        places: paths or URLs, all different.
    """
    parts = [[part for part in re.split(r"[/\\:]+", place) if part not in ("", ".", "..")] for place in places]
    lengths = [1] * len(places)
    names = [_last(part, 1) for part in parts]
    for _ in range(max(map(len, parts))):
        lengths = [length + (names.count(name) > 1) for length, name in zip(lengths, names, strict=True)]
        names = [_last(part, length) for part, length in zip(parts, lengths, strict=True)]
    unlike: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in count(2))
        unlike.append(name if name not in unlike else next(one for one in numbered if one not in [*unlike, *names]))
    return unlike


def _last(parts: Sequence[str], length: int) -> str:
    return "-".join(parts[-length:])
