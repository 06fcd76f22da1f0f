import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data import near_duplicates
from quality_gate.data.near_duplicates import group_photos, near_pairs

HASH = 0xF0E1D2C3B4A59687

hashes = st.lists(
    st.builds(
        lambda base, flips: base ^ sum({1 << bit for bit in flips}),
        st.sampled_from([0, HASH, 2**64 - 1]),
        st.lists(st.integers(0, 63), max_size=9),
    ),
    max_size=14,
)


def far_hashes(count: int) -> list[int]:
    return [int(value) for value in np.random.default_rng(5).integers(0, 2**64, count, dtype=np.uint64)]


def members(groups: pd.Series) -> list[list[int]]:
    return sorted(sorted(places) for places in groups.reset_index(drop=True).groupby(groups.tolist()).groups.values())


@settings(deadline=None, max_examples=50)
@given(values=hashes, bits=st.integers(0, 12))
def test_the_pairs_are_those_that_comparing_all_with_all_finds(values, bits):
    expected = [
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= bits
    ]
    assert [tuple(pair) for pair in near_pairs(np.array(values, dtype=np.uint64), bits).tolist()] == expected


def test_in_a_crowd_of_equal_hashes_each_is_compared_with_the_next_ones_only(monkeypatch):
    monkeypatch.setattr(near_duplicates, "MOST_COMPARISONS", 3)
    pairs = near_pairs(np.zeros(30, dtype=np.uint64), 4)
    assert len(pairs) == 29 + 28 + 27
    assert set(np.diff(pairs, axis=1).ravel()) == {1, 2, 3}


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
