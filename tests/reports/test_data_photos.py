"""What is shown is what matters most, in limited number, with the total beside it."""

import io
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from quality_gate.data.duplicate_groups import duplicate_groups
from quality_gate.data.image_table import build_table
from quality_gate.reports.data_photos import (
    FILES_OF_A_PICTURE,
    GROUPS_OF_A_KIND,
    MOST_CHARACTERS,
    OUTLIERS,
    OUTLIERS_OF_A_KIND,
    PICTURES_OF_A_GROUP,
    SAMPLES,
    class_samples,
    group_kinds,
    make_thumbnails,
    strongest_outliers,
)


def table_of(*photos: tuple[str, str, str, str]) -> pd.DataFrame:
    """Photos as (label, split, group, bytes); the path is made of label and place in the list."""
    return build_table(
        {
            "path": f"{label}/{number:03}.jpg",
            "label": label,
            "split": split,
            "group": group,
            "image_id": image_id,
            "is_readable": True,
        }
        for number, (label, split, group, image_id) in enumerate(photos)
    )


def found_of(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Outliers as (path, label, trait, score), the farthest first."""
    found = pd.DataFrame(rows, columns=["path", "label", "trait", "score"])
    return found.assign(image_id=found["path"], value=0.9, median=0.5)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_samples_are_picked_evenly_and_never_twice_from_a_group() -> None:
    burst = [("onion", "train", "burst", f"b{n}") for n in range(5)]
    table = table_of(*burst, *(("onion", "train", f"g{n}", f"o{n}") for n in range(15)))
    ((label, samples),) = class_samples(table)
    assert label == "onion"
    assert [sample.path for sample in samples] == [f"onion/{n:03}.jpg" for n in (0, 6, 8, 10, 13, 15, 17, 19)]


def test_copies_are_sampled_once_before_the_split() -> None:
    ((_, samples),) = class_samples(table_of(*(("onion", "", "", "same") for _ in range(5)), ("onion", "", "", "o")))
    assert [sample.image_id for sample in samples] == ["same", "o"]


@pytest.mark.parametrize(
    ("classes", "per_class", "shown"), [(1, 8, 1), (8, 8, 8), (9, 4, 9), (100, 2, 100), (300, 1, SAMPLES)]
)
def test_of_many_classes_few_samples_are_shown(classes: int, per_class: int, shown: int) -> None:
    photos = [(f"class {n % classes:03}", "", "", str(n)) for n in range(10 * classes)]
    samples = class_samples(table_of(*photos))
    assert len(samples) == shown
    assert {len(few) for _, few in samples} == {per_class}


def test_the_farthest_photos_are_shown_with_all_that_is_unlike_their_class() -> None:
    found = found_of(("a", "onion", "brightness", 9.0), ("b", "onion", "contrast", -8.0), ("a", "onion", "shape", 4.0))
    first, second = strongest_outliers(found)
    assert (first.path, second.path) == ("a", "b")
    assert [(reason.what, reason.score) for reason in first.reasons] == [("brighter", 9.0), ("longer", 4.0)]
    assert [(reason.what, reason.score) for reason in second.reasons] == [("flatter", 8.0)]
    assert (first.reasons[0].value, first.reasons[0].usual) == ("0.90", "0.50")


def test_one_class_and_trait_cannot_fill_the_list_of_outliers() -> None:
    bright = [(f"{n}", "onion", "brightness", 50.0 - n) for n in range(9)]
    found = found_of(*bright, ("dark", "plum", "brightness", -4.0))
    assert [outlier.path for outlier in strongest_outliers(found)] == [
        *(str(n) for n in range(OUTLIERS_OF_A_KIND)),
        "dark",
    ]


def test_outliers_are_limited_and_copies_shown_once() -> None:
    found = found_of(*((f"{n}", f"class {n}", "brightness", 50.0 - n) for n in range(40)))
    assert len(strongest_outliers(found)) == OUTLIERS
    assert len(strongest_outliers(found.assign(image_id="same"))) == 1


def test_groups_are_told_apart_by_what_is_wrong_with_them() -> None:
    table = table_of(
        ("onion", "train", "alike", "1"), ("plum", "train", "alike", "2"),
        ("onion", "test", "leak", "3"), ("onion", "", "leak", "4"),
        ("onion", "train", "pair", "5"), ("onion", "train", "pair", "5"),
    )  # fmt: skip
    conflict, leak, within = group_kinds(duplicate_groups(table))
    assert [kind.name for kind in (conflict, leak, within)] == [
        "Conflicting labels", "From training into test", "Within one split"
    ]  # fmt: skip
    assert [(file.label, file.place) for picture in leak.shown[0].pictures for file in picture.files] == [
        ("onion", "test"), ("onion", "left out")
    ]  # fmt: skip
    assert [len(picture.files) for picture in within.shown[0].pictures] == [2]
    assert conflict.shown[0].labels == 2


def test_of_many_groups_the_first_are_shown_and_all_counted() -> None:
    table = table_of(*(("onion", "train", f"g{n // 2}", str(n)) for n in range(40)))
    (kind,) = group_kinds(duplicate_groups(table))
    assert (kind.groups, kind.files, len(kind.shown)) == (20, 40, GROUPS_OF_A_KIND)


def test_of_a_large_group_every_label_and_split_is_among_what_is_shown() -> None:
    many = [("onion", "test", "g", str(n)) for n in range(20)]
    (kind,) = group_kinds(duplicate_groups(table_of(*many, ("onion", "", "g", "x"), ("plum", "", "g", "y"))))
    group = kind.shown[0]
    assert (group.files, len(group.pictures), group.more) == (22, PICTURES_OF_A_GROUP, 22 - PICTURES_OF_A_GROUP)
    shown = {(file.label, file.place) for picture in group.pictures for file in picture.files}
    assert shown == {("onion", "test"), ("onion", "left out"), ("plum", "left out")}


def test_many_copies_are_one_picture_with_the_first_of_its_files() -> None:
    (kind,) = group_kinds(duplicate_groups(table_of(*(("onion", "", "", "same") for _ in range(9)))))
    (picture,) = kind.shown[0].pictures
    assert kind.name == "Within one class"
    assert (len(picture.files), picture.more) == (FILES_OF_A_PICTURE, 9 - FILES_OF_A_PICTURE)
    assert {file.place for file in picture.files} == {""}


def test_thumbnails_are_read_once_each_in_the_order_of_the_paths() -> None:
    table = table_of(("onion", "", "", "c"), ("onion", "", "", "a"), ("onion", "", "", "c"), ("onion", "", "", "b"))
    asked: list[str] = []

    def read(image_ids: Sequence[str]) -> Iterator[bytes]:
        asked.extend(image_ids)
        return (encoded(Image.new("RGB", (30, 20))) for _ in image_ids)

    thumbnails = make_thumbnails(table.sample(frac=1, random_state=1), {"a", "c"}, read)
    assert asked == ["c", "a"]
    assert set(thumbnails) == {"a", "c"}
    assert all(source.startswith("data:image/jpeg;base64,") for source in thumbnails.values())


def test_a_thumbnail_of_noise_keeps_the_limit() -> None:
    noise = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)))
    thumbnails = make_thumbnails(table_of(("onion", "", "", "a")), {"a"}, lambda _: iter([noise]))
    assert len(thumbnails["a"]) <= MOST_CHARACTERS
