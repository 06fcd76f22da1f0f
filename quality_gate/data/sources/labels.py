"""Which classes a run has: labels renamed, merged and dropped, rare ones left out, and what is left checked."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from quality_gate.data.sources.photo_file import PhotoFile, Source, plain_name
from quality_gate.errors import UserError

_SHOWN_CLASSES = 20

# With more classes than this, and fewer than two photos in each, the labels name single photos and no classes.
_CLASSES_AT_A_GLANCE = 10


def choose_classes(
    source: Source, label_map: Mapping[str, str | None], min_images: int, first: int | None = None
) -> Source:
    """Apply the settings about classes, and check that what is left can be told apart.

    Args:
        source: all files, with the labels they were given.
        label_map: new names by old ones; None drops the class.
        min_images: classes with fewer files that can be tried are left out.
        first: how many of the classes that are left then, in alphabetical order, stay; None keeps all.

    Returns:
        The source with the classes of the run; files of the others are left out, with the reason.

    Raises:
        UserError: a name in the map is no class, fewer than two classes are left, names differ only in spelling, or a
            class is only in the test.
    """
    _check_map(source, label_map)
    mapped = _mapped(source, label_map)
    _check_spelling(mapped)
    chosen = _first_of(_without_rare(mapped, min_images), first)
    _check_number(source, chosen)
    _check_test(chosen)
    return chosen


def classes_of(files: Iterable[PhotoFile]) -> tuple[str, ...]:
    """Names of the classes of some files, sorted."""
    return tuple(sorted({file.label for file in files} - {""}))


def _check_map(source: Source, label_map: Mapping[str, str | None]) -> None:
    unknown = [label for label in label_map if label not in source.classes]
    if unknown:
        more = len(source.classes) - _SHOWN_CLASSES
        known = ", ".join(source.classes[:_SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "")
        raise UserError(f"data.label_map: '{unknown[0]}' is no class of {source.name}; its classes are {known}.")


def _mapped(source: Source, label_map: Mapping[str, str | None]) -> Source:
    if not label_map:
        return source
    dropped = {
        label: f"its class '{label}' is dropped by data.label_map" for label, name in label_map.items() if name is None
    }
    kept = _without(source, dropped)
    return replace(
        kept,
        files=tuple(_renamed(file, label_map) for file in kept.files),
        classes=tuple(sorted({label_map.get(label) or label for label in kept.classes})),
        left_out=tuple(_renamed(file, label_map) for file in kept.left_out),
    )


def _renamed(file: PhotoFile, label_map: Mapping[str, str | None]) -> PhotoFile:
    return replace(file, label=label_map.get(file.label) or file.label)


def _without_rare(source: Source, min_images: int) -> Source:
    photos = Counter(file.label for file in source.files if not file.problem)
    rare = {
        label: f"its class '{label}' has {photos[label]} photos; data.min_images_per_class asks for {min_images}"
        for label in source.classes
        if photos[label] < min_images
    }
    return _without(source, rare)


def _first_of(source: Source, first: int | None) -> Source:
    if first is None:
        return source
    later = {
        label: f"its class '{label}' is not among the first {first} that data.first_classes keeps"
        for label in source.classes[first:]
    }
    return _without(source, later)


def _without(source: Source, reasons: Mapping[str, str]) -> Source:
    """The source without some classes, by label; their files are left out with the reason."""
    gone = [replace(file, problem=reasons[file.label]) for file in source.files if file.label in reasons]
    return replace(
        source,
        files=tuple(file for file in source.files if file.label not in reasons),
        classes=tuple(label for label in source.classes if label not in reasons),
        left_out=tuple(sorted((*source.left_out, *gone), key=lambda file: file.path)),
    )


def _check_spelling(source: Source) -> None:
    seen: dict[str, str] = {}
    for label in source.classes:
        other = seen.setdefault(plain_name(label), label)
        if other != label:
            raise UserError(
                f"'{other}' and '{label}' in {source.name} differ only in case, spaces or Unicode form; give one class "
                "one name, in the source or with data.label_map."
            )


def _check_number(source: Source, chosen: Source) -> None:
    if len(source.classes) < 2:
        found = f"only one class, '{source.classes[0]}'" if source.classes else "no class"
        raise UserError(
            f"{source.name}: {found}, and at least two are needed; add the other classes, or name the folder that "
            "holds the class folders."
        )
    if len(chosen.classes) < 2:
        left = f"only '{chosen.classes[0]}'" if chosen.classes else "none"
        raise UserError(
            f"{source.name}: of its {len(source.classes)} classes data.label_map and data.min_images_per_class leave "
            f"{left}, and at least two are needed."
        )
    photos = sum(bool(file.label) for file in chosen.files)
    if len(chosen.classes) > _CLASSES_AT_A_GLANCE and photos < 2 * len(chosen.classes):
        raise UserError(
            f"{source.name}: {photos:,} photos in {len(chosen.classes):,} classes; the labels seem to name single "
            "photos, so name the folder of the class folders, or the column of the classes in data.csv.label_column."
        )


def _check_test(source: Source) -> None:
    training = classes_of(file for file in source.files if file.split != "test")
    unknown = [label for label in source.classes if label not in training]
    if not training:
        raise UserError(f"{source.name}: all photos are test photos; say which ones to train on.")
    if unknown:
        listed = ", ".join(f"'{label}'" for label in unknown)
        raise UserError(
            f"{source.name}: the class {listed} is in test and unknown to train; add training photos of it, or drop "
            "it with data.label_map."
        )
