from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quality_gate.data import single_linkage as module
from quality_gate.data.single_linkage import Points, single_linkage

HASH = 0xF0E1D2C3B4A59687

# Hashes around a few centres, so that many are near each other and many just beyond any radius.
hashes = st.builds(
    lambda base, flips: base ^ sum({1 << bit for bit in flips}),
    st.sampled_from([0, HASH, HASH ^ 0xFF, 2**64 - 1]),
    st.lists(st.integers(0, 63), max_size=9),
)
traits = st.tuples(st.sampled_from([0, 0.5, 1, 1.5, 2, 2.5, -0.5, -7]), st.floats(-3, 3))


def points(values, numbers=None, bits=4) -> Points:
    shape = (len(values), 0 if numbers is None else 2)
    return Points(np.array(values, dtype=np.uint64), np.array(numbers or [], dtype=np.float64).reshape(shape), bits)


def compared_with_all(found: Points) -> list[int]:
    """The smallest position in the cluster of each point, from comparing all with all."""
    near = np.bitwise_count(found.hashes[:, None] ^ found.hashes) <= found.bits
    for trait in found.traits.T:
        near &= np.abs(trait[:, None] - trait) <= 1
    while not (near == (further := near @ near)).all():
        near = further
    return near.argmax(axis=1).tolist() if len(near) else []


@contextmanager
def as_if_crowded():
    """So that a handful of points is divided the way that a million is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NEIGHBOURS", 1)
        patch.setattr(module, "BLOCK_COMPARISONS", 4)
        patch.setattr(module, "SORTING_COST", 1)
        yield


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(hashes, traits), max_size=24), bits=st.sampled_from([0, 1, 2, 4, 7, 12]))
@example(rows=[], bits=4)
def test_the_clusters_are_those_that_comparing_all_with_all_finds(rows, bits):
    found = points([value for value, _ in rows], [numbers for _, numbers in rows], bits)
    assert single_linkage(found).tolist() == compared_with_all(found)
    with as_if_crowded():
        assert single_linkage(found).tolist() == compared_with_all(found)


@pytest.mark.parametrize("bits", [0, 1, 4, 12])
@pytest.mark.parametrize(
    "spread", [(0, 0), (3, 0), (0, 3), (3, 3)], ids=["like hashes", "hashes", "traits", "hashes and traits"]
)
def test_crowds_are_clustered_exactly(spread, bits):
    rng = np.random.default_rng(bits)
    flips, deviation = spread
    values = np.full(200, HASH, dtype=np.uint64)
    for _ in range(2 * flips):
        values ^= np.uint64(1) << rng.integers(0, 64, 200).astype(np.uint64)
    found = points(values, (deviation * rng.normal(size=(200, 2))).tolist(), bits)
    with as_if_crowded():
        assert single_linkage(found).tolist() == compared_with_all(found)


def test_a_cluster_of_all_points_is_found_among_equal_hashes():
    assert not single_linkage(points([HASH] * 50_000)).any()


def test_points_at_exactly_the_limit_are_linked_wherever_they_lie():
    places = np.random.default_rng(3).uniform(-1e3, 1e3, 200).round(6)
    for place in places:
        found = points([HASH, HASH, HASH], [[place, 0], [place + 1, 0], [place + 3, 0]])
        expected = [0, 0 if abs(found.traits[0, 0] - found.traits[1, 0]) <= 1 else 1, 2]
        with as_if_crowded():
            assert single_linkage(found).tolist() == expected


def test_without_traits_hashes_alone_decide():
    found = points([HASH, HASH ^ 0b1111, HASH ^ 0b11111, ~HASH % 2**64])
    assert single_linkage(found).tolist() == [0, 0, 0, 3]
    assert single_linkage(points([HASH, HASH ^ 0b11111])).tolist() == [0, 1]
