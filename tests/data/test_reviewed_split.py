from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data.image_table import ROLLING_TEST
from quality_gate.data.split import split
from quality_gate.data_settings import REVIEWED
from quality_gate.settings import SplitSettings

SETTINGS = SplitSettings()
FAR = [int(value) for value in np.random.default_rng(7).integers(0, 2**64, 2_000, dtype=np.uint64)]
SOURCE = [(label, FAR[40 * number + photo]) for number, label in enumerate("ab") for photo in range(40)]


def places(table, *, seed=1, chosen=SETTINGS):
    result = split(table, chosen, seed)
    return dict(zip(result.table["path"], result.table["split"], strict=True))


def reviewed(hashes, label="a"):
    return [(label, value, REVIEWED) for value in hashes]


def reason(result, path):
    return result.left_out.set_index("path").loc[path, "reason"]


@settings(deadline=None, max_examples=20)
@given(hashes=st.lists(st.sampled_from(FAR), max_size=60), flips=st.integers(0, 3), seed=st.integers(0, 99))
def test_reviewed_photos_move_no_photo_of_the_source_and_never_enter_its_test(make_table, hashes, flips, seed):
    before = places(make_table(SOURCE), seed=seed)
    after = places(make_table([*SOURCE, *reviewed(value ^ flips for value in hashes)]), seed=seed)
    assert {path: after[path] for path in before} == before
    assert "test" not in {after[path] for path in after.keys() - before.keys()}


def test_reviewed_photos_are_divided_by_their_shares(make_table):
    found = places(make_table([*SOURCE, *reviewed(FAR[100:1_900])]))
    counts = Counter(found[f"a/{number:04}.jpg"] for number in range(80, 1_880))
    assert counts.keys() == {ROLLING_TEST, "train"}
    assert abs(counts[ROLLING_TEST] - 450) < 60


def test_a_reviewed_photo_keeps_its_place_when_more_come(make_table):
    few = places(make_table([*SOURCE, *reviewed(FAR[100:200])]))
    more = places(make_table([*SOURCE, *reviewed(FAR[100:400])]))
    assert {path: more[path] for path in few} == few


def test_a_near_duplicate_of_a_test_photo_is_left_out_and_names_it(make_table):
    test = next(path for path, place in places(make_table(SOURCE)).items() if place == "test")
    value = SOURCE[int(test[2:6])][1]
    result = split(make_table([*SOURCE, *reviewed([value ^ 1], label=test[0])]), SETTINGS, 1)
    added = f"{test[0]}/0080.jpg"
    assert reason(result, added) == f"leak: near-duplicate of the test photo {test}"
    assert result.table.set_index("path").loc[added, "split"] == ""


def test_a_near_duplicate_of_a_training_photo_trains_and_joins_its_group(make_table):
    train = next(path for path, place in places(make_table(SOURCE)).items() if place == "train")
    value = SOURCE[int(train[2:6])][1]
    table = split(make_table([*SOURCE, *reviewed([value ^ 1], label=train[0])]), SETTINGS, 1).table
    rows = table.set_index("path").loc[[train, f"{train[0]}/0080.jpg"]]
    assert set(rows["split"]) == {"train"}
    assert rows["group"].nunique() == 1


@pytest.mark.parametrize("chosen", [SplitSettings(rolling_test_share=share) for share in (0.01, 0.99)])
@pytest.mark.parametrize("where", ["validation", "calibration"])
def test_a_near_duplicate_of_a_photo_that_chooses_or_calibrates_is_left_out(make_table, where, chosen):
    like = next(path for path, place in places(make_table(SOURCE)).items() if place == where)
    value = SOURCE[int(like[2:6])][1]
    result = split(make_table([*SOURCE, *reviewed([value ^ 1], label=like[0])]), chosen, 1)
    assert reason(result, f"{like[0]}/0080.jpg") == f"near-duplicate of photos that are in {where}"


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), flips=st.lists(st.sampled_from([1, 2, 4]), min_size=60, max_size=60))
def test_a_photo_that_was_learnt_from_never_comes_into_a_test_when_others_like_it_come(make_table, seed, flips):
    few = FAR[100:160]
    before = places(make_table([*SOURCE, *reviewed(few)]), seed=seed)
    like = [value ^ flip for value, flip in zip(few, flips, strict=True)]
    after = places(make_table([*SOURCE, *reviewed([*few, *like])]), seed=seed)
    moved = [(before[path], after[path]) for path in before if before[path] != after[path]]
    assert set(moved) == {(ROLLING_TEST, "train")}


def test_a_photo_that_lies_between_photos_of_two_splits_is_left_out(make_table):
    where = places(make_table(SOURCE))
    chosen = {place: next(path for path, found in where.items() if found == place) for place in ("train", "validation")}
    # Four bits from either: the two themselves are eight apart, and no near-duplicates.
    middle = SOURCE[int(chosen["train"][2:6])][1] ^ 0b1111
    source = list(SOURCE)
    source[int(chosen["validation"][2:6])] = (chosen["validation"][0], middle ^ 0b11110000)
    alone = places(make_table(source))
    apart = {alone[path] for path in chosen.values()}
    result = split(make_table([*source, *reviewed([middle])]), SETTINGS, 1)
    assert apart == {"train", "validation"}
    assert reason(result, "a/0080.jpg") == "near-duplicate of photos that are in validation"


def test_an_unreadable_reviewed_photo_is_left_out_with_its_problem(make_table):
    table = make_table([*SOURCE, *reviewed(FAR[100:101])])
    table.loc[table["path"] == "a/0080.jpg", ["is_readable", "problem"]] = [False, "the file is empty"]
    assert reason(split(table, SETTINGS, 1), "a/0080.jpg") == "the file is empty"


def test_a_given_test_folder_stays_the_test(make_table):
    given_test = [("a", FAR[1_000 + number], "test") for number in range(5)]
    given_test += [("b", FAR[1_100 + number], "test") for number in range(5)]
    found = places(make_table([*SOURCE, *given_test, *reviewed(FAR[100:200])]))
    assert Counter(found.values())["test"] == 10
