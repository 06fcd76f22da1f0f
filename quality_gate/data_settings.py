"""Settings of the data: where the photos come from, and which of them are used."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from quality_gate.settings_section import Settings

DEMO = "demo"

# What a source says of photos of the operation, in place of train or test.
REVIEWED = "reviewed"


def _places(given: object) -> object:
    places = [given] if isinstance(given, str) else given
    if not isinstance(places, list | tuple) or not places or not all(isinstance(one, str) and one for one in places):
        raise ValueError("expected a folder, a .csv file or a URL, or a list of these")
    for place in places:
        without_credentials(place)
    return given


def without_credentials(place: str) -> str:
    """The place as it is; a problem for pydantic where it is a URL with a user or password."""
    # Settings are kept with every run, in reports and in the store: nothing secret may get into them.
    if re.match(r"[^/]*://[^/]*@", place):
        raise PydanticCustomError("credentials", "a URL may not hold credentials; put them into the environment")
    return place


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError("expected an encoding that Python knows, such as utf-8, utf-16 or cp1252") from None
    return name


def _labels(given: object) -> object:
    if not isinstance(given, dict):
        raise ValueError("expected names of classes with their new names, such as {rotten: waste, hat: null}")
    for old, new in given.items():
        # YAML takes yes, no, on, off and numbers without quotes for something else.
        if not isinstance(old, str) or not (new is None or isinstance(new, str)):
            raise ValueError(f"expected names on both sides; put {new if isinstance(old, str) else old!r} into quotes")
        if new is not None and not new.strip():
            raise ValueError(f"{old!r} gets an empty name; name a class, or write null to drop it")
    return given


class CsvSettings(Settings):
    """How a CSV file names photos and labels. It has a header, and a row for each photo.

    Attributes:
        file_column: column of the photo's file: a path, or a name or number that ``suffix`` makes one of.
        label_column: column of its class.
        split_column: column that says ``train`` or ``test``; null has a test split made.
        images: folder or URL that the paths start from; null means the CSV file's own folder.
        suffix: what is added to each path, such as ``.jpg`` where the column holds numbers.
        separator: the character between columns.
        encoding: of the file, by a name that Python knows: ``utf-8``, or what an older spreadsheet wrote (``cp1252``).
    """

    file_column: Annotated[str, Field(min_length=1)] = "path"
    label_column: Annotated[str, Field(min_length=1)] = "label"
    split_column: Annotated[str, Field(min_length=1)] | None = None
    images: Annotated[str, Field(min_length=1), AfterValidator(without_credentials)] | None = None
    suffix: str = ""
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"


class DataSettings(Settings):
    """Where the photos come from, and which of them are used.

    Attributes:
        source: folder of class folders, or of ``train/`` and ``test/`` with class folders in them; a ``.csv`` file; the
            URL of such a folder or file (``s3://bucket/folder``, or any protocol that fsspec knows, with credentials
            from the environment); or a list of these, which are joined. ``demo`` means the generated market scenes.
        reviewed: photos of the operation that people have labelled: a folder of class folders or a ``.csv`` file with
            the columns ``path`` and ``label``, or the URL of either. None of them enters the fixed test set. null:
            none; the pipeline ``retraining`` fills in what the review desk knows.
        workers: threads that decode photos; 0 means one a processor.
        processes: that the files are shared among for the audit, with ``workers`` threads together; 0 means one a
            thread, up to 8, where there are so many new local files that it pays to start them. Threads of one process
            do not run while another one measures, which of a small photo is half of the time. The snapshot is the same
            for any number.
        csv: how to read a ``.csv`` file.
        missing: what to do about rows of a ``.csv`` file whose photo does not exist: ``fail`` stops the run, since a
            wrong folder or a copy that broke off should be noticed; ``drop`` leaves them out and lists them.
        min_images_per_class: classes with fewer photos are left out of the run and listed; 0 keeps all, and the
            validation stops the run if one is too small.
        first_classes: how many of the classes that are left, in alphabetical order, the run has, to try a way on few
            before it is tried on all; null keeps all.
        label_map: new names of classes by their old ones; two may get one name, and null drops a class.
        exclude_suspects: how many photos whose labels look wrong are left out of train and validation, the most
            doubtful first; none, for a person should look at them before. Calibration and test keep theirs: the
            certificate and the test must see photos as they come.
    """

    source: Annotated[str | tuple[str, ...], BeforeValidator(_places)] = DEMO
    reviewed: Annotated[str, Field(min_length=1), AfterValidator(without_credentials)] | None = None
    workers: Annotated[int, Field(ge=0)] = 0
    processes: Annotated[int, Field(ge=0, le=256)] = 0
    csv: CsvSettings = CsvSettings()
    missing: Literal["fail", "drop"] = "fail"
    min_images_per_class: Annotated[int, Field(ge=0)] = 0
    first_classes: Annotated[int, Field(ge=2)] | None = None
    label_map: Annotated[dict[str, str | None], BeforeValidator(_labels)] = Field(default_factory=dict)
    exclude_suspects: Annotated[int, Field(ge=0)] = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources, one by one."""
        return (self.source,) if isinstance(self.source, str) else self.source
