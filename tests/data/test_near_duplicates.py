import numpy as np
import pandas as pd

from quality_gate.data.near_duplicates import group_photos

HASH = 0xF0E1D2C3B4A59687


def far_hashes(count: int) -> list[int]:
    return [int(value) for value in np.random.default_rng(5).integers(0, 2**64, count, dtype=np.uint64)]


def members(groups: pd.Series) -> list[list[int]]:
    return sorted(sorted(places) for places in groups.reset_index(drop=True).groupby(groups.tolist()).groups.values())


def test_photos_within_the_radius_and_their_neighbours_share_a_group(make_table):
    near, nearer_still = HASH ^ 0b1111, HASH ^ 0b11111111
    table = make_table([("a", HASH), ("a", near), ("a", nearer_still), ("a", HASH ^ (2**20 - 1)), ("b", ~HASH % 2**64)])
    assert members(group_photos(table, 4)) == [[0, 1, 2], [3], [4]]
    assert members(group_photos(table, 0)) == [[0], [1], [2], [3], [4]]


def test_equal_bytes_share_a_group_even_where_the_photo_is_blank(make_table):
    table = make_table([("a", 0), ("a", 0), ("b", 0)])
    table["contrast"] = 0.0
    table.loc[2, "image_id"] = table.loc[0, "image_id"]
    assert members(group_photos(table, 4)) == [[0, 2], [1]]


def test_a_like_hash_with_another_colour_contrast_or_shape_is_another_photo(make_table):
    table = make_table([("a", HASH)] * 5)
    table.loc[1, ["red_mean", "green_mean"]] = [0.7, 0.3]
    table.loc[2, "contrast"] = 0.1
    table.loc[3, "aspect_ratio"] = 1.5
    assert members(group_photos(table, 4)) == [[0, 4], [1], [2], [3]]


def test_another_exposure_of_the_same_photo_stays_in_the_group(make_table):
    table = make_table([("a", HASH), ("a", HASH)])
    table.loc[1, ["brightness", "contrast", "red_mean", "green_mean", "blue_mean"]] *= 0.4
    assert members(group_photos(table, 4)) == [[0, 1]]


def test_a_chain_through_a_whole_class_is_taken_apart(make_table):
    chain = [HASH ^ ((1 << bit) - 1) for bit in range(0, 60, 3)]
    table = make_table([("a", value) for value in chain])
    assert len(members(group_photos(table, 4))) == len(chain)


def test_of_a_chain_taken_apart_the_closest_photos_stay_together(make_table):
    steps = [bit for pair in range(0, 60, 6) for bit in (pair, pair + 2)]
    table = make_table([("a", HASH ^ ((1 << bit) - 1)) for bit in steps])
    assert members(group_photos(table, 4)) == [[place, place + 1] for place in range(0, len(steps), 2)]


def test_a_group_that_cannot_be_told_apart_stays_whole_however_large(make_table):
    table = make_table([("a", HASH)] * 12)
    assert members(group_photos(table, 4)) == [list(range(12))]


def test_a_chain_that_is_small_beside_its_class_stays_whole(make_table):
    chain = [HASH ^ ((1 << bit) - 1) for bit in range(0, 30, 3)]
    table = make_table([("a", value) for value in chain + far_hashes(50)])
    assert members(group_photos(table, 4))[0] == list(range(10))


def test_a_group_is_named_after_its_smallest_photo_whatever_the_order_of_the_files(make_table):
    table = make_table([("a", value) for value in [HASH, HASH ^ 1, HASH ^ 3, *far_hashes(10)]])
    # The photo with the smallest name is the brightest: the last, where photos are compared in the order of light.
    for place, image_id in enumerate(sorted(table["image_id"])):
        table.loc[table["image_id"] == image_id, "brightness"] = 0.5 - place / 1000
    groups = group_photos(table, 4)
    assert groups[0] == min(table["image_id"][:3])[:16]
    shuffled = table.sample(frac=1, random_state=3)
    pd.testing.assert_series_equal(group_photos(shuffled, 4).sort_index(), groups)


def test_unreadable_files_have_no_group(make_table):
    table = make_table([("a", HASH), ("a", HASH)])
    table.loc[1, ["is_readable", "image_id", "phash"]] = [False, "", ""]
    assert group_photos(table, 4).tolist() == [table.loc[0, "image_id"][:16], ""]


def test_black_photos_are_compared_without_a_warning(make_table):
    table = make_table([("a", 0), ("a", 0)])
    table[["brightness", "contrast", "red_mean", "green_mean", "blue_mean"]] = 0.0
    assert members(group_photos(table, 4)) == [[0], [1]]


def test_copies_that_differ_by_what_re_encoding_flips_stay_together_however_many_they_are(make_table):
    table = make_table([("a", HASH ^ 0b11 * (number % 2)) for number in range(40)])
    assert members(group_photos(table, 4)) == [list(range(40))]
    assert members(group_photos(table, 1)) == [list(range(0, 40, 2)), list(range(1, 40, 2))]


def test_of_labels_that_are_as_frequent_in_a_group_the_first_by_name_counts(make_table):
    chain = [("b" if bit % 2 else "a", HASH ^ ((1 << bit) - 1)) for bit in range(0, 30, 3)]
    many, few = far_hashes(45), far_hashes(5)
    assert len(members(group_photos(make_table([*chain, *(("a", value) for value in many)]), 4))[0]) == 10
    assert len(members(group_photos(make_table([*chain, *(("a", value) for value in few)]), 4))[0]) == 1


def test_a_table_without_readable_photos_has_no_groups(make_table):
    table = make_table([("a", HASH)] * 2)
    table["is_readable"] = False
    assert group_photos(table, 4).tolist() == ["", ""]
