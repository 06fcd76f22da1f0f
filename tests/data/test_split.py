import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data.image_table import SPLITS
from quality_gate.data.split import RESULT_FILE, TABLE_FILE, SplitResult, split
from quality_gate.errors import UserError
from quality_gate.settings import SplitSettings

SETTINGS = SplitSettings()

# Perceptual hashes further apart than any radius in use.
FAR = [int(value) for value in np.random.default_rng(7).integers(0, 2**64, 400, dtype=np.uint64)]

# For each class the sizes of its groups of near-duplicates.
class_groups = st.lists(st.integers(1, 6), min_size=8, max_size=24).filter(lambda sizes: sum(sizes) >= 10)
datasets = st.lists(class_groups, min_size=2, max_size=3)


def expand(classes: list[list[int]], split_name: str = "", first: int = 0) -> list[tuple[str, int, str]]:
    """Photos of classes called a, b, …, group after group."""
    hashes = iter(FAR[first:])
    return [
        ("abc"[number], value ^ (copy & 1), split_name)
        for number, sizes in enumerate(classes)
        for value, size in ((next(hashes), size) for size in sizes)
        for copy in range(size)
    ]


def singles(**counts: int) -> list[tuple[str, int]]:
    hashes = iter(FAR)
    return [(label, next(hashes)) for label, count in counts.items() for _ in range(count)]


def by_path(result: SplitResult) -> dict[str, str]:
    return dict(zip(result.table["path"], result.table["split"], strict=True))


@settings(deadline=None, max_examples=30)
@given(classes=datasets, seed=st.integers(0, 2**32 - 1))
def test_no_group_is_in_two_splits_and_every_photo_is_in_one(make_table, classes, seed):
    table = split(make_table(expand(classes)), SETTINGS, seed).table
    assert table.groupby("group")["split"].nunique().max() == 1
    assert set(table["split"]) == set(SPLITS)


@settings(deadline=None, max_examples=30)
@given(
    classes=datasets,
    seed=st.integers(0, 2**32 - 1),
    shares=st.tuples(st.floats(0.05, 0.3), st.floats(0.05, 0.3), st.floats(0.05, 0.4)),
)
def test_class_shares_are_within_one_group_of_the_target(make_table, classes, seed, shares):
    validation, calibration, test = shares
    wanted = SplitSettings(validation_share=validation, calibration_share=calibration, test_share=test)
    counts = split(make_table(expand(classes)), wanted, seed).counts()
    for label, sizes in zip("abc", classes, strict=False):
        rest = sum(sizes) - counts["test"][label]
        assert abs(counts["test"][label] - test * sum(sizes)) <= max(max(sizes) / 2, min(sizes))
        assert abs(counts["validation"][label] - validation * rest) <= max(sizes)
        assert abs(counts["calibration"][label] - calibration * rest) <= max(sizes)
        assert min(counts[name][label] for name in SPLITS) > 0


@settings(deadline=None, max_examples=30)
@given(classes=datasets, seed=st.integers(0, 2**32 - 1), shuffle=st.integers(0, 1000))
def test_the_order_of_the_files_does_not_matter(make_table, classes, seed, shuffle):
    table = make_table(expand(classes))
    first, again = (split(rows, SETTINGS, seed) for rows in (table, table.sample(frac=1, random_state=shuffle)))
    assert by_path(first) == by_path(again)
    assert first.digest == again.digest


@settings(deadline=None, max_examples=30)
@given(train=datasets, test=datasets, shared=st.integers(0, 2), seed=st.integers(0, 2**32 - 1))
def test_a_given_test_stays_and_what_leaks_into_it_leaves_the_training_photos(make_table, train, test, shared, seed):
    train, test = train[:2], test[:2]
    # The last ``shared`` training groups of class b have the hashes of the first test groups, all of class a.
    first_of_test = sum(map(len, train)) - shared
    table = make_table([*expand(train, "train"), *expand(test, "test", first_of_test)])
    result = split(table, SETTINGS, seed, min_photos=1)
    given = table["split"] == "test"
    assert (result.table["split"][given] == "test").all()
    assert not (result.table["split"][~given] == "test").any()
    leaked = sum(train[1][-shared:]) if shared else 0
    assert len(result.left_out) == leaked
    assert result.left_out["reason"].str.startswith("leak: near-duplicate of the test photo a/").all()
    kept = result.table[result.table["split"] != ""]
    assert kept.groupby("group")["split"].nunique().max() == 1
    assert set(result.table.loc[result.table["split"] == "", "path"]) == set(result.left_out["path"])


def test_the_default_shares_of_a_hundred_photos(make_table):
    assert split(make_table(singles(a=100, b=50)), SETTINGS, 42).counts() == {
        "train": {"a": 56, "b": 28},
        "validation": {"a": 12, "b": 6},
        "calibration": {"a": 12, "b": 6},
        "test": {"a": 20, "b": 10},
    }


def test_another_seed_draws_other_photos(make_table):
    table = make_table(singles(a=40, b=40))
    assert split(table, SETTINGS, 1).digest != split(table, SETTINGS, 2).digest
    assert split(table, SETTINGS, 1).digest == split(table, SETTINGS, 1).digest


def test_a_new_photo_moves_few_others(make_table):
    before = by_path(split(make_table(singles(b=40, a=40)), SETTINGS, 1))
    after = by_path(split(make_table(singles(b=40, a=41)), SETTINGS, 1))
    assert sum(after[path] != name for path, name in before.items()) <= 4


def test_the_smallest_class_that_can_be_split_is_in_every_split(make_table):
    counts = split(make_table(singles(a=4, b=40)), SETTINGS, 1, min_photos=4).counts()
    assert [counts[name]["a"] for name in SPLITS] == [1, 1, 1, 1]


def test_a_large_group_leaves_the_small_ones_to_the_other_splits(make_table):
    counts = split(make_table(expand([[10, 1, 1, 1], [5] * 8])), SplitSettings(test_share=0.4), 1).counts()
    assert [counts[name]["a"] for name in SPLITS] == [10, 1, 1, 1]


def test_training_folders_without_a_test_folder_give_a_test_split(make_table):
    table = make_table([(label, phash, "train") for label, phash in singles(a=20, b=20)])
    result = split(table, SETTINGS, 1)
    assert result.counts()["test"] == {"a": 4, "b": 4}
    assert not result.test_was_given


def test_unreadable_files_are_left_out_with_their_reason(make_table):
    table = make_table(singles(a=20, b=20))
    table.loc[3, ["is_readable", "image_id", "phash", "problem"]] = [False, "", "", "the file is empty"]
    result = split(table, SETTINGS, 1)
    assert result.left_out.to_dict("records") == [
        {"path": table.loc[3, "path"], "label": "a", "image_id": "", "reason": "the file is empty"}
    ]
    assert result.table.loc[3, ["split", "group"]].tolist() == ["", ""]


def test_a_leak_names_the_test_photo_it_repeats(make_table):
    rows = [(*row, "train") for row in singles(a=20, b=20)] + [("a", FAR[3] ^ 1, "test"), ("b", FAR[399], "test")]
    result = split(make_table(rows), SETTINGS, 1)
    assert result.test_was_given
    assert result.left_out[["path", "reason"]].values.tolist() == [
        ["a/0003.jpg", "leak: near-duplicate of the test photo a/0040.jpg"]
    ]


def test_one_photo_with_two_labels_does_not_crash_and_is_not_parted(make_table):
    table = make_table(singles(a=20, b=20))
    table.loc[25, ["image_id", "phash"]] = table.loc[0, ["image_id", "phash"]].tolist()
    result = split(table, SETTINGS, 1).table
    assert result.loc[0, "group"] == result.loc[25, "group"]
    assert result.loc[0, "split"] == result.loc[25, "split"]


def test_the_rows_keep_their_order(make_table):
    table = make_table(singles(a=20, b=20)).sample(frac=1, random_state=0)
    assert split(table, SETTINGS, 1).table["path"].tolist() == table["path"].tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            singles(a=20, b=9),
            "class 'b' has 9 readable photos in 9 groups of near-duplicates, and at least 10 photos in 4 groups are "
            "needed; add photos of it or remove its folder.",
        ),
        (
            [*singles(a=20), *(("b", FAR[100 + number % 3]) for number in range(30))],
            "class 'b' has 30 readable photos in 3 groups of near-duplicates, and at least 10 photos in 4 groups",
        ),
        (
            [*((*row, "train") for row in singles(a=20, b=2)), ("a", FAR[80], "test"), ("b", FAR[81], "test")],
            "class 'b' has 2 readable photos in 2 groups of near-duplicates outside test/, and at least 10 photos in 3",
        ),
        (
            [*((*row, "train") for row in singles(a=20, b=20)), ("a", FAR[80], "test")],
            "class 'b' has no readable photo in test/; add some, or remove test/ to have a test split made.",
        ),
    ],
    ids=["too few photos", "too few groups", "too few beside the given test", "class missing from the given test"],
)
def test_a_class_that_cannot_be_in_every_split_is_named(make_table, rows, message):
    with pytest.raises(UserError) as caught:
        split(make_table(rows), SETTINGS, 1)
    assert caught.value.message.startswith(message)


def test_a_class_with_no_readable_photo_at_all_is_named(make_table):
    table = make_table(singles(a=20, b=1))
    table.loc[20, ["is_readable", "image_id", "phash", "problem"]] = [False, "", "", "the file is empty"]
    with pytest.raises(UserError, match="class 'b' has 0 readable photos in 0 groups"):
        split(table, SETTINGS, 1)


def test_a_saved_split_comes_back_as_it_was(make_table, tmp_path):
    rows = [(*row, "train") for row in singles(a=20, b=20)] + [("a", FAR[3], "test"), ("b", FAR[399], "test")]
    result = split(make_table(rows), SETTINGS, 1)
    result.save(tmp_path / "split")
    loaded = SplitResult.load(tmp_path / "split")
    pd.testing.assert_frame_equal(loaded.table, result.table)
    pd.testing.assert_frame_equal(loaded.left_out, result.left_out)
    assert loaded.to_json() == result.to_json()
    assert (loaded.settings, loaded.seed, loaded.test_was_given) == (SETTINGS, 1, True)


def test_a_split_with_nothing_left_out_is_saved_too(make_table, tmp_path):
    split(make_table(singles(a=20, b=20)), SETTINGS, 1).save(tmp_path)
    assert SplitResult.load(tmp_path).left_out.empty


def test_a_saved_split_that_is_incomplete_or_changed_is_refused(make_table, tmp_path):
    result = split(make_table(singles(a=20, b=20)), SETTINGS, 1)
    result.save(tmp_path)
    result.table.assign(split="train").to_parquet(tmp_path / TABLE_FILE)
    with pytest.raises(ValueError, match=r"image_table\.parquet does not have the digest in split\.json"):
        SplitResult.load(tmp_path)
    (tmp_path / RESULT_FILE).write_text(json.dumps(result.to_json() | {"format_version": 9}))
    with pytest.raises(ValueError, match="format version 9; expected 1"):
        SplitResult.load(tmp_path)
    (tmp_path / RESULT_FILE).unlink()
    with pytest.raises(ValueError, match=r"split\.json is missing"):
        SplitResult.load(tmp_path)


def test_the_summary_tells_the_photos_of_each_split_and_what_was_left_out(make_table):
    rows = [(*row, "train") for row in singles(a=20, b=20)] + [("a", FAR[3], "test"), ("b", FAR[399], "test")]
    result = split(make_table(rows), SETTINGS, 1)
    assert result.summary()[3:] == [
        "test: 2 photos (a 1, b 1)",
        "41 groups of near-duplicates, the largest of 2 photos",
        "left out: 1 files, each listed with its reason",
    ]
    assert sum(Counter(result.table["split"])[name] for name in SPLITS) == 41


def test_photos_to_learn_from_can_be_left_out_with_a_reason(make_table):
    result = split(make_table(singles(a=20, b=20)), SETTINGS, 1)
    first = result.table[result.table["split"].isin(["train", "validation"])].iloc[0]
    without = result.leave_out({first["path"]: "suspected wrong label"})
    assert without.left_out.to_dict("records") == [
        {"path": first["path"], "label": "a", "image_id": first["image_id"], "reason": "suspected wrong label"}
    ]
    assert by_path(without) == by_path(result) | {first["path"]: ""}
    assert without.digest != result.digest
    assert result.left_out.empty


def test_what_was_left_out_before_stays_on_the_list_and_the_result_can_be_saved(make_table, tmp_path):
    rows = [(*row, "train") for row in singles(a=20, b=20)] + [("a", FAR[3], "test"), ("b", FAR[399], "test")]
    result = split(make_table(rows), SETTINGS, 1)
    path = next(path for path, name in by_path(result).items() if name == "validation")
    without = result.leave_out({path: "suspected wrong label"})
    assert set(without.left_out["path"]) == {"a/0003.jpg", path}
    without.save(tmp_path)
    pd.testing.assert_frame_equal(SplitResult.load(tmp_path).left_out, without.left_out)


@pytest.mark.parametrize("place", ["calibration", "test", ""])
def test_photos_of_calibration_and_test_cannot_be_left_out(make_table, place):
    result = split(make_table(singles(a=20, b=20)), SETTINGS, 1)
    path = next((path for path, name in by_path(result).items() if name == place), "nowhere.jpg")
    with pytest.raises(ValueError, match=f"{path} is no photo of train or validation"):
        result.leave_out({path: "suspected wrong label"})
