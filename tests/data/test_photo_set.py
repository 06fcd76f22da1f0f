import numpy as np
import pytest

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import SPLITS, divided_photos, photo_set, photo_sets, photos_by_path
from quality_gate.data.sources import discover

PATHS = tuple(f"{label}/{number}.png" for label in ("tomato", "onion") for number in range(6))


@pytest.fixture
def root(write_photos):
    root = write_photos(*PATHS)
    (root / "onion" / "notes.txt").write_text("no photo")
    return root


@pytest.fixture
def snapshot(root, tmp_path):
    return take_snapshot(discover(root), tmp_path / "version").snapshot


@pytest.fixture
def divided(snapshot):
    """The image table after a split: each class two of train, two of test, one of the others, one left out."""
    table = snapshot.table
    places = {"0": "train", "1": "train", "2": "validation", "3": "calibration", "4": "test", "5": ""}
    number = table["path"].str.extract(r"/(\d)\.png", expand=False)
    table["split"] = number.map(places).fillna("")
    table["group"] = np.where(number == "1", "b" * 16, "a" * 16)
    return table.sample(frac=1, random_state=0)


def test_the_photos_of_a_split_come_in_the_order_of_their_paths(snapshot, divided, root):
    train = photo_set(snapshot, divided, "train", ("onion", "tomato"))

    assert train.paths == ("onion/0.png", "onion/1.png", "tomato/0.png", "tomato/1.png")
    assert len(train) == 4
    assert list(train.read()) == [(root / path).read_bytes() for path in train.paths]
    assert [snapshot.photo(image_id) for image_id in train.image_ids] == list(train.read())


def test_class_numbers_follow_the_order_of_the_classes(snapshot, divided):
    assert photo_set(snapshot, divided, "train", ("onion", "tomato")).labels.tolist() == [0, 0, 1, 1]

    turned = photo_set(snapshot, divided, "train", ("tomato", "onion"))
    assert turned.labels.tolist() == [1, 1, 0, 0]
    assert turned.labels.dtype == np.int64


def test_photos_of_one_group_have_one_number(snapshot, divided):
    groups = photo_set(snapshot, divided, "train", ("onion", "tomato")).groups

    assert groups.tolist() == [0, 1, 0, 1]
    assert groups.dtype == np.int64


def test_an_empty_split_is_an_empty_set(snapshot, divided):
    nothing = photo_set(snapshot, divided[divided["split"] != "test"], "test", ("onion", "tomato"))

    assert len(nothing) == 0
    assert (list(nothing.read()), nothing.labels.shape, nothing.groups.shape) == ([], (0,), (0,))


def test_chosen_photos_are_there_several_times_each_copy_in_the_group_of_its_photo(snapshot, divided, root):
    train = photo_set(snapshot, divided, "train", ("onion", "tomato"))
    more = train.repeated([train.image_ids[3], "of another set"], 3)

    assert more.paths == ("onion/0.png", "onion/1.png", "tomato/0.png", *["tomato/1.png"] * 3)
    assert more.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert more.groups.tolist() == [0, 1, 0, 1, 1, 1]
    assert list(more.read()) == [(root / path).read_bytes() for path in more.paths]
    assert train.repeated([], 3).paths == train.repeated(train.image_ids, 1).paths == train.paths


def test_every_split_has_its_photos_and_the_same_classes_in_alphabetical_order(snapshot, divided):
    parts = photo_sets(snapshot, divided)

    for split in SPLITS:
        part = getattr(parts, split)
        assert part.classes == ("onion", "tomato")
        assert set(part.paths) == set(divided.loc[divided["split"] == split, "path"])
    assert sum(len(getattr(parts, split)) for split in SPLITS) == 10


def test_the_photos_of_all_splits_are_one_set_without_what_was_left_out(snapshot, divided):
    photos = divided_photos(snapshot, divided)

    assert list(photos.paths) == [f"{label}/{number}.png" for label in ("onion", "tomato") for number in range(5)]
    assert photos.classes == ("onion", "tomato")
    assert photos.labels.tolist() == [0] * 5 + [1] * 5


def test_photos_can_be_read_by_their_paths(snapshot, divided, root):
    photos = divided_photos(snapshot, divided)
    paths = [photos.paths[4], photos.paths[0]]
    assert photos_by_path(photos, paths) == {path: (root / path).read_bytes() for path in paths}
