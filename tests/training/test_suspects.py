"""Suspects are ordered, explained and left out where they may be."""

import numpy as np
import pandas as pd
import pytest

from quality_gate.data.photo_set import PhotoSet
from quality_gate.data.split import SplitResult
from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.settings import SplitSettings
from quality_gate.training.suspects import find_suspects, leave_out_suspects, plain_features
from quality_gate.transfer_settings import TransferSettings

CLASSES = ("onion", "potato", "tomato")
SPLITS = ("train", "train", "train", "validation", "calibration", "test")
PER_CLASS = 60


def dataset(moved=(), *, twins=()):
    """Three separable classes over all splits; photos in ``moved`` carry the label of the next class."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), PER_CLASS)
    labels = truth.copy()
    labels[list(moved)] = (truth[list(moved)] + 1) % 3
    paths = tuple(f"{CLASSES[real]}/{number:03}.jpg" for number, real in enumerate(truth))
    groups = np.arange(len(truth))
    for first, second in twins:
        groups[second] = first
    photos = PhotoSet(None, tuple(f"{number:064x}" for number in range(len(truth))), paths, CLASSES, labels, groups)
    table = pd.DataFrame(
        {
            "path": paths,
            "label": [CLASSES[label] for label in labels],
            "image_id": photos.image_ids,
            "split": [SPLITS[number % len(SPLITS)] for number in range(len(truth))],
            "group": groups.astype(str),
        }
    )
    left_out = pd.DataFrame(columns=["path", "label", "image_id", "reason"], dtype="str")
    features = np.eye(3, 6)[truth] * 8 + rng.normal(size=(len(truth), 6))
    return photos, SplitResult(table, left_out, SplitSettings(), 0, False), features.astype(np.float32)


def search(*arguments, **options):
    photos, division, features = dataset(*arguments, **options)
    return find_suspects(photos, division.table, features, seed=0), division


@pytest.fixture(scope="module")
def moved():
    """Photos 0, 66 and 3, one of validation, have wrong labels; so have 4 of calibration and 125 of test."""
    return search((0, 66, 3, 4, 125))


def test_moved_labels_are_named_with_what_they_look_like(moved):
    table = moved[0].table.set_index("path")
    assert set(table.index) == {"onion/000.jpg", "potato/066.jpg", "onion/003.jpg", "onion/004.jpg", "tomato/125.jpg"}
    row = table.loc["potato/066.jpg"]
    assert (row["label"], row["looks_like"], row["split"]) == ("tomato", "potato", "train")
    assert row["label_probability"] < 0.2 < 0.7 < row["looks_like_probability"]


def test_places_number_what_can_be_left_out_by_the_probability_of_the_label(moved):
    suspects, _ = moved
    assert suspects.table["place"].tolist() == [1, 2, 3, 0, 0]
    assert suspects.table["split"].isin(["train", "validation"]).tolist() == [True] * 3 + [False] * 2
    assert suspects.table["label_probability"][:3].is_monotonic_increasing
    assert suspects.table["label_probability"][3:].is_monotonic_increasing
    assert suspects.excludable == 3
    assert suspects.photos == (120, 60)


def test_the_joint_counts_the_errors_of_train_and_validation(moved):
    joint = moved[0].joint
    np.testing.assert_allclose(joint.sum(), 120)
    assert joint[1, 0] == pytest.approx(2, abs=0.5)
    assert joint[2, 1] == pytest.approx(1, abs=0.5)
    assert moved[0].agreement == pytest.approx(117 / 120)


def test_clean_labels_leave_nothing_to_suspect():
    suspects, division = search()
    assert suspects.table.empty
    assert suspects.agreement == 1
    assert leave_out_suspects(division, suspects, 10, min_photos=10) is division


def test_what_is_left_out_does_not_depend_on_the_labels_of_calibration_and_test(moved):
    suspects, _ = search((0, 66, 3, *range(4, 180, 6), *range(5, 180, 6)))
    learning = moved[0].table[moved[0].table["place"] > 0]
    pd.testing.assert_frame_equal(suspects.table[suspects.table["place"] > 0], learning)


def test_near_duplicates_with_several_labels_are_told_whatever_the_model_says():
    suspects, _ = search((0,), twins=((0, 1), (6, 7)))
    assert suspects.conflicts == ((("onion/000.jpg", "potato"), ("onion/001.jpg", "onion")),)
    assert suspects.table.set_index("path").loc["onion/000.jpg", "twin_labels"] == "onion"


def test_the_first_suspects_are_left_out_with_their_reason(moved):
    suspects, division = moved
    result = leave_out_suspects(division, suspects, 2, min_photos=10)
    first = suspects.table[:2]
    assert set(result.left_out["path"]) == set(first["path"])
    reasons = dict(zip(result.left_out["path"], result.left_out["reason"], strict=True))
    row = first.iloc[0]
    assert reasons[row["path"]] == (
        f"suspected wrong label: looks like {row['looks_like']} ({row['looks_like_probability']:.2f})"
    )
    kept = result.table.set_index("path")["split"]
    assert (kept[list(first["path"])] == "").all()
    assert (kept.drop(first["path"]) == division.table.set_index("path")["split"].drop(first["path"])).all()
    assert result.digest != division.digest


def test_more_than_there_are_takes_all_but_those_of_calibration_and_test(moved):
    suspects, division = moved
    result = leave_out_suspects(division, suspects, 500, min_photos=10)
    assert len(result.left_out) == 3
    assert suspects.summary(500)[1] == "data.exclude_suspects is 500: all 3 of train and validation are left out"


def test_the_summary_says_how_many_and_what_is_left_out(moved):
    suspects, _ = moved
    assert suspects.summary(0) == [
        "3 of 120 labels in train and validation look wrong (estimated: 4 wrong), and 2 of 60 in calibration and test"
    ]
    assert suspects.summary(2)[1:] == ["the first 2 of train and validation are left out"]


def test_a_class_that_would_keep_too_few_photos_is_named():
    suspects, division = search((0, 1))
    with pytest.raises(UserError) as caught:
        leave_out_suspects(division, suspects, 2, min_photos=50)
    assert caught.value.message == (
        "data.exclude_suspects: without 2 suspects too few photos are left of 'onion' (28 for train, 10 for validation "
        "and 10 for calibration), and at least 50 are needed, with one in each; exclude fewer, or correct the labels "
        "that suspects.html lists."
    )


class Listener:
    def __init__(self):
        self.done = []

    def progress(self, task):
        return lambda done, total: self.done.append((task, done, total))

    def say(self, line):
        raise AssertionError(line)


def test_features_are_of_the_pretrained_backbone_one_row_a_photo(photos_in_memory, encode_png, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [encode_png(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(3)]
    photos = photos_in_memory([*pictures, pictures[0]], [0, 1, 0, 1], ("ok", "scratch"))
    listener = Listener()

    features = plain_features(photos, TransferSettings(size=32), home=Home(tmp_path), workers=2, reporter=listener)

    assert (features.shape, features.dtype) == ((4, 1280), np.float32)
    np.testing.assert_array_equal(features[0], features[3])
    assert np.abs(features[0] - features[1]).max() > 0.1
    assert listener.done[-1] == ("features of all photos", 4, 4)
