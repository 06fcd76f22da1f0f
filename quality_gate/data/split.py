"""Which photos train, choose, calibrate and test: whole groups of near-duplicates, stratified by class.

Groups are drawn in the order of a hash of seed and group name. So the draw depends neither on the order of the files
nor on the random generator of a library, and a photo that joins the data moves few others.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from quality_gate.data.image_table import LEARNING_SPLITS, ROLLING_TEST, SPLITS, require_columns
from quality_gate.data.near_duplicates import group_photos
from quality_gate.data.reviewed_split import place_reviewed
from quality_gate.data_settings import REVIEWED
from quality_gate.errors import UserError
from quality_gate.settings import SplitSettings
from quality_gate.step_value import StepValue

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1
RESULT_FILE = "split.json"
TABLE_FILE = "image_table.parquet"
LEFT_OUT_FILE = "left_out.parquet"

_DIGESTED = ["path", "image_id", "label", "split", "group"]


@dataclass(frozen=True, eq=False)
class SplitResult(StepValue):
    """A divided dataset.

    Attributes:
        table: the image table with ``split`` and ``group`` filled in; ``split`` is '' for what was left out.
        left_out: a row for each file that is in no split: ``path``, ``label``, ``image_id`` and ``reason``.
        settings: what it was divided by.
        seed: what it was drawn with.
        test_was_given: whether the source had a test folder of its own.
    """

    table: "pd.DataFrame"
    left_out: "pd.DataFrame"
    settings: SplitSettings
    seed: int
    test_was_given: bool

    @property
    def digest(self) -> str:
        """SHA-256 over path, image_id, label, split and group of every row, whatever their order."""
        rows = sorted(self.table[_DIGESTED].itertuples(index=False, name=None))
        return sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()

    def leave_out(self, reasons: Mapping[str, str]) -> Self:
        """The same division without some of the photos to learn from.

        Calibration and test photos stay: certificate and test must see photos as they come.

        Args:
            reasons: why each is left out, by ``path``.

        Raises:
            ValueError: a path is none of train or validation.
        """
        import pandas as pd

        chosen = self.table["path"].isin(list(reasons))
        rows = self.table[chosen]
        unknown = set(reasons) - set(rows.loc[rows["split"].isin(LEARNING_SPLITS), "path"])
        if unknown:
            raise ValueError(f"{min(unknown)} is no photo of {' or '.join(LEARNING_SPLITS)}")
        added = rows[["path", "label", "image_id"]].assign(reason=rows["path"].map(reasons)).astype("str")
        left_out = pd.concat([self.left_out, added]).sort_values("path").reset_index(drop=True)
        return replace(self, table=self.table.assign(split=self.table["split"].mask(chosen, "")), left_out=left_out)

    def counts(self) -> dict[str, dict[str, int]]:
        """Photos of each class, by split and class; a rolling test is named only where there is one."""
        classes = sorted(set(self.table["label"]) - {""})
        found = Counter(zip(self.table["split"], self.table["label"], strict=True))
        names = [*SPLITS, ROLLING_TEST] if ROLLING_TEST in set(self.table["split"]) else SPLITS
        return {split: {label: found[split, label] for label in classes} for split in names}

    def summary(self) -> list[str]:
        """What a person wants to know of it, a line each."""
        lines = [
            f"{split}: {sum(counts.values())} photos ({', '.join(f'{label} {n}' for label, n in counts.items())})"
            for split, counts in self.counts().items()
        ]
        sizes = Counter(group for group in self.table["group"] if group)
        lines.append(f"{len(sizes)} groups of near-duplicates, the largest of {max(sizes.values())} photos")
        if self.left_out.empty:
            return lines
        return [*lines, f"left out: {len(self.left_out)} files, each listed with its reason"]

    def to_json(self) -> dict[str, Any]:
        """All but the tables, as plain JSON values."""
        return {
            "format_version": FORMAT_VERSION,
            "digest": self.digest,
            "seed": self.seed,
            "settings": self.settings.model_dump(mode="json"),
            "test_was_given": self.test_was_given,
            "counts": self.counts(),
        }

    def save(self, folder: Path) -> None:
        """Write it into a folder, as JSON and Parquet; the JSON file comes last and makes it whole."""
        folder.mkdir(parents=True, exist_ok=True)
        self.table.to_parquet(folder / TABLE_FILE, index=False)
        self.left_out.to_parquet(folder / LEFT_OUT_FILE, index=False)
        (folder / RESULT_FILE).write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: it is incomplete, of another format version, or its table does not have its digest.
        """
        import pandas as pd

        path = folder / RESULT_FILE
        if not path.is_file():
            raise ValueError(f"{path} is missing: {folder} holds no whole split")
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"{path}: format version {values.get('format_version')!r}; expected {FORMAT_VERSION}")
        result = cls(
            table=pd.read_parquet(folder / TABLE_FILE),
            left_out=pd.read_parquet(folder / LEFT_OUT_FILE),
            settings=SplitSettings.model_validate(values["settings"]),
            seed=values["seed"],
            test_was_given=values["test_was_given"],
        )
        if result.digest != values["digest"]:
            raise ValueError(f"{folder / TABLE_FILE} does not have the digest in {RESULT_FILE}")
        return result


@dataclass(frozen=True)
class _Group:
    """Photos that are never parted."""

    name: str
    label: str
    size: int


def split(table: "pd.DataFrame", settings: SplitSettings, seed: int, min_photos: int = 10) -> SplitResult:
    """Divide the readable photos of an image table into train, validation, calibration and test.

    Whole groups of near-duplicates go to one split. A group counts for the class that most of its photos have, and
    each class is divided by itself, to within one group of its shares. A test folder of the source stays the test
    set, and photos of ``train/`` whose group reaches into it are left out. Without one, ``test_share`` of all photos
    is drawn first. ``validation_share`` and ``calibration_share`` are shares of the photos that are not test. Reviewed
    photos of the operation change nothing of that; :mod:`quality_gate.data.reviewed_split` says where they go.

    Args:
        table: an image table as ingested; its rows keep their order.
        settings: shares, and how close near-duplicates are.
        seed: same seed and same photos, same split.
        min_photos: fewest readable photos of a class that are not given as test.

    Raises:
        UserError: a class has too few photos, or too few groups for one in each split.
    """
    require_columns(table, "split")
    is_reviewed = table["split"] == REVIEWED
    divided = _divided(table[~is_reviewed], settings, seed, min_photos)
    return _with_reviewed(divided, table[is_reviewed]) if is_reviewed.any() else divided


def _divided(table: "pd.DataFrame", settings: SplitSettings, seed: int, min_photos: int) -> SplitResult:
    result = table.reset_index(drop=True)
    result["group"] = group_photos(result, settings.near_duplicate_bits)
    test_was_given = bool((table["split"] == "test").any())
    reasons = _reasons(result)
    drawable = ~result.index.isin(list(reasons)) & (result["split"] != "test")
    groups = _groups(result[drawable])
    _check_enough(result, result[drawable], groups, test_was_given, min_photos)
    assigned = dict.fromkeys(result.loc[drawable, "group"], "train")
    for label in sorted({group.label for group in groups}):
        members = [group for group in groups if group.label == label]
        assigned |= _divide(members, settings, seed, test_was_given)
    result["split"] = [
        "" if index in reasons else assigned.get(group, "test")
        for index, group in zip(result.index, result["group"], strict=True)
    ]
    return SplitResult(result, _left_out(result, reasons), settings, seed, test_was_given)


def _with_reviewed(divided: SplitResult, reviewed: "pd.DataFrame") -> SplitResult:
    import pandas as pd

    placed, reasons = place_reviewed(divided.table, reviewed, divided.settings, divided.seed)
    table = pd.concat([divided.table, placed]).sort_values("path", ignore_index=True)
    left_out = pd.concat([divided.left_out, _left_out(placed, reasons)]).sort_values("path", ignore_index=True)
    return replace(divided, table=table, left_out=left_out)


def _reasons(table: "pd.DataFrame") -> dict[Any, str]:
    """Why files are in no split, by their place in the table's index."""
    unreadable = table[~table["is_readable"]]
    reasons = dict(zip(unreadable.index, unreadable["problem"], strict=True))
    readable = table[table["is_readable"]]
    tests = readable[readable["split"] == "test"]
    witnesses = tests.groupby("group")["path"].min().to_dict()
    for index, group in readable.loc[readable["split"] != "test", "group"].items():
        if group in witnesses:
            reasons[index] = f"leak: near-duplicate of the test photo {witnesses[group]}"
    return reasons


def _left_out(table: "pd.DataFrame", reasons: dict[Any, str]) -> "pd.DataFrame":
    rows = table.loc[list(reasons), ["path", "label", "image_id"]]
    rows["reason"] = list(reasons.values())
    return rows.astype("str").sort_values("path").reset_index(drop=True)


def _groups(rows: "pd.DataFrame") -> list[_Group]:
    """The groups of some rows, each with the label most of its photos have (of equals the first by name)."""
    labels: dict[str, Counter[str]] = {}
    for name, label in zip(rows["group"], rows["label"], strict=True):
        labels.setdefault(name, Counter())[label] += 1
    return [
        _Group(name, min(found, key=lambda label: (-found[label], label)), found.total())
        for name, found in labels.items()
    ]


def _check_enough(
    table: "pd.DataFrame", drawable: "pd.DataFrame", groups: Sequence[_Group], test_was_given: bool, min_photos: int
) -> None:
    """Raise if a class cannot be in every split."""
    needed = len(SPLITS) - test_was_given
    photos, counted = Counter(drawable["label"]), Counter(group.label for group in groups)
    classes = sorted(set(table["label"]) - {""})
    short = [label for label in classes if photos[label] < min_photos or counted[label] < needed]
    if short:
        found = ", ".join(
            f"class '{label}' has {photos[label]} readable photos in {counted[label]} groups of near-duplicates"
            for label in short
        )
        place = " outside test/" if test_was_given else ""
        raise UserError(
            f"{found}{place}, and at least {min_photos} photos in {needed} groups are needed; add photos of it or "
            "remove its folder."
        )
    given = Counter(table.loc[table["is_readable"] & (table["split"] == "test"), "label"])
    untested = [f"'{label}'" for label in classes if test_was_given and not given[label]]
    if untested:
        raise UserError(
            f"class {', '.join(untested)} has no readable photo in test/; add some, or remove test/ to have a test "
            "split made."
        )


def _divide(groups: Sequence[_Group], settings: SplitSettings, seed: int, test_was_given: bool) -> dict[str, str]:
    """Assign the groups of one class: test first, of the rest validation and calibration, what remains trains."""
    rest = sorted(groups, key=lambda group: sha256(f"{seed}:{group.name}".encode()).digest())
    assigned: dict[str, str] = {}
    wanted = {"validation": settings.validation_share, "calibration": settings.calibration_share}
    if not test_was_given:
        test = _draw(rest, settings.test_share * _photos(rest), leave=3)
        assigned |= dict.fromkeys(test, "test")
        rest = [group for group in rest if group.name not in test]
    photos = _photos(rest)
    for leave, (name, share) in zip((2, 1), wanted.items(), strict=True):
        drawn = _draw(rest, share * photos, leave=leave)
        assigned |= dict.fromkeys(drawn, name)
        rest = [group for group in rest if group.name not in drawn]
    return assigned | {group.name: "train" for group in rest}


def _draw(groups: Sequence[_Group], wanted: float, *, leave: int) -> set[str]:
    """Take groups in order as long as each brings the photos taken nearer to those wanted; at least one group.

    The photos taken differ from those wanted by less than the largest group, unless the last ``leave`` groups are
    reached, which stay.
    """
    taken: dict[str, int] = {}
    for group in groups:
        if len(taken) == len(groups) - leave:
            break
        missing = wanted - sum(taken.values())
        if abs(missing - group.size) < abs(missing):
            taken[group.name] = group.size
    if not taken:
        smallest = min(groups, key=lambda group: group.size)
        taken[smallest.name] = smallest.size
    return set(taken)


def _photos(groups: Sequence[_Group]) -> int:
    return sum(group.size for group in groups)
