"""Single-linkage clusters of points at a fixed distance: exact, in about linear time, without listing all pairs.

A point is a 64-bit hash with some numbers beside it, its traits. Two points are linked if their hashes differ in few
bits and no trait differs by more than 1; a cluster is all that is linked, directly or through others (the transitive
closure). Comparing all with all takes minutes from 100,000 points on.

Points are compared only where they share a *bucket*, and the buckets are such that two linked points always share
one. By the pigeonhole principle hashes that differ in at most r of r + d blocks are equal in d of them (Manku, Jain and
Das Sarma, "Detecting near-duplicates for web crawling", 2007; Norouzi, Punjani and Fleet, "Fast search in Hamming
space with multi-index hashing", 2012); a trait has two grids of cells twice as wide as its limit, one shifted by half
a cell. A bucket that is crowded all the same (masses of like hashes) is divided further, by whatever promises the
fewest comparisons; points that are in one cluster already are not compared again, so that crowds of equal or
neighbouring hashes cost little. Only where thousands of points are alike in every way and yet none is linked does the
cost become quadratic.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

# In a bucket each point is compared with so many that follow it; larger buckets are crowded.
NEIGHBOURS = 32

# So many comparisons at most are made at once: the bound of the memory they take (some 100 MB).
BLOCK_COMPARISONS = 1 << 20

# Sorting a point into a bucket costs about as much as so many comparisons.
SORTING_COST = 30

# More tables than this are not worth their sorting for any number of points that fits into memory.
MOST_BLOCKS_EQUAL = 5

# Points from which the cost of a division is estimated.
SAMPLE = 4096

# Twice the limit, and a little more, so that rounding never parts two points at exactly the limit.
CELL = 2.001
SHIFTS = (0.0, 0.5)


@dataclass(frozen=True)
class Points:
    """What is to be clustered.

    Attributes:
        hashes: uint64, shape (points,).
        traits: float64, shape (points, traits), in units of the largest difference that links; finite.
        bits: Hamming distance that links, 0 to 63.
    """

    hashes: NDArray[np.uint64]
    traits: NDArray[np.float64]
    bits: int

    def linked(self, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which pairs of points are linked directly: bool, shape (pairs,)."""
        result: NDArray[np.bool_] = np.bitwise_count(self.hashes[left] ^ self.hashes[right]) <= self.bits
        for trait in self.traits.T:
            result[result] = np.abs(trait[left[result]] - trait[right[result]]) <= 1
        return result


class _Forest:
    """Disjoint sets of points (union-find) for whole arrays at a time."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def roots(self, points: NDArray[np.intp]) -> NDArray[np.intp]:
        """The point that stands for the set of each point."""
        parents = self._parent[points]
        while (parents != (grandparents := self._parent[parents])).any():
            parents = grandparents
        self._parent[points] = parents
        return parents

    def join(self, left: NDArray[np.intp], right: NDArray[np.intp]) -> None:
        """Unite the sets of each pair of points."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        left, right = self.roots(left), self.roots(right)
        apart = left != right
        if not apart.any():
            return
        trees, places = np.unique(np.concatenate([left[apart], right[apart]]), return_inverse=True)
        edges = np.ones(len(places) // 2, dtype=np.bool_), tuple(np.split(places, 2))
        _, component = connected_components(coo_array(edges, shape=(len(trees),) * 2), directed=False)
        # The trees are sorted: of each component the first is its smallest.
        _, first = np.unique(component, return_index=True)
        self._parent[trees] = trees[first][component]


def single_linkage(points: Points) -> NDArray[np.intp]:
    """Find the clusters.

    Memory is bounded by about 200 bytes a point and 100 MB.

    Returns:
        The number of the cluster of each point, shape (points,): the smallest position in it.
    """
    count = len(points.hashes)
    forest = _Forest(count)
    # In this order like points mostly follow each other, here and in every bucket: most links are found at once.
    order = np.lexsort((*np.floor(points.traits.T), points.hashes))
    if count:
        _link_following(points, forest, order, np.zeros(count, dtype=np.uint64))
        _link_all(points, forest, order)
    return forest.roots(np.arange(count))


def _link_all(points: Points, forest: _Forest, members: NDArray[np.intp]) -> None:
    """Join whatever is linked among these members."""
    roots = forest.roots(members)
    sets, sizes = np.unique(roots, return_counts=True)
    largest = sets[sizes.argmax()]
    rest = members[roots != largest]
    comparisons = len(rest) * len(members)
    if comparisons > BLOCK_COMPARISONS:
        division = _best_division(points, members)
        # Only what promises to halve the work divides at all: each bucket is then smaller than what it came from.
        if comparisons > 2 * division.cost:
            _link_in_buckets(points, forest, members, division)
            return
    _link_each_with_all(points, forest, rest, members, largest)


def _link_in_buckets(points: Points, forest: _Forest, members: NDArray[np.intp], division: "_Division") -> None:
    """Join whatever is linked among members of one bucket; crowded buckets come last, when most of them is joined."""
    crowded = False
    for keys in division.tables():
        crowded |= bool(_link_following(points, forest, members, keys))
    if not crowded:
        return
    for keys in division.tables():
        for crowd in _link_following(points, forest, members, keys):
            _link_all(points, forest, crowd)


def _link_each_with_all(
    points: Points, forest: _Forest, rest: NDArray[np.intp], members: NDArray[np.intp], largest: np.intp
) -> None:
    """Join whatever is linked between the rest and all members, but for what is joined with the largest set by then."""
    hashes, traits = points.hashes[members], points.traits[members].T
    rows = max(1, BLOCK_COMPARISONS // len(members))
    while len(rest):
        part, rest = rest[:rows], rest[rows:]
        near = np.bitwise_count(points.hashes[part][:, None] ^ hashes) <= points.bits
        for trait, others in zip(points.traits[part].T, traits, strict=True):
            # Few pairs are cheaper to pick out and look at one by one.
            if np.count_nonzero(near) > near.size // 32:
                near &= np.abs(trait[:, None] - others) <= 1
        left, right = np.nonzero(near)
        left, right = part[left], members[right]
        linked = points.linked(left, right)
        forest.join(left[linked], right[linked])
        # All members outside the largest set are still in the rest, or were compared with all.
        rest = rest[forest.roots(rest) != forest.roots(np.array([largest]))]


def _link_following(
    points: Points, forest: _Forest, members: NDArray[np.intp], keys: NDArray[np.uint64]
) -> list[NDArray[np.intp]]:
    """Join what is linked among members of equal key and near in order.

    Returns:
        The buckets that are larger than that and not yet in one cluster, each still to be searched.
    """
    order = np.argsort(keys, kind="stable")
    members, keys = members[order], keys[order]
    for step in range(1, NEIGHBOURS + 1):
        if step.bit_count() == 1:
            members, keys, roots = _unfinished(forest, members, keys, step)
        places = np.flatnonzero((keys[:-step] == keys[step:]) & (roots[:-step] != roots[step:]))
        left, right = members[places], members[places + step]
        linked = points.linked(left, right)
        forest.join(left[linked], right[linked])
    members, keys, _ = _unfinished(forest, members, keys, NEIGHBOURS + 1)
    return np.split(members, _starts(keys)[1:]) if len(members) else []


def _unfinished(
    forest: _Forest, members: NDArray[np.intp], keys: NDArray[np.uint64], step: int
) -> tuple[NDArray[np.intp], NDArray[np.uint64], NDArray[np.intp]]:
    """Of sorted members those in buckets of more than ``step`` and more than one cluster; their keys; their roots."""
    roots = forest.roots(members)
    if not len(members):
        return members, keys, roots
    starts = _starts(keys)
    sizes = np.diff(starts, append=len(members))
    apart = np.minimum.reduceat(roots, starts) != np.maximum.reduceat(roots, starts)
    kept = np.repeat(apart & (sizes > step), sizes)
    return members[kept], keys[kept], roots[kept]


def _starts(keys: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Where the buckets of sorted keys start; at least one key."""
    return np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])


@dataclass(frozen=True)
class _Division:
    """A way to divide members into buckets.

    Attributes:
        cost: comparisons that it promises.
        tables: makes the key of each member, a table at a time; two linked members have equal keys in one table.
    """

    cost: float
    tables: Callable[[], Iterator[NDArray[np.uint64]]]


def _best_division(points: Points, members: NDArray[np.intp]) -> _Division:
    """The division that promises the fewest comparisons."""
    sample = members[:: len(members) // SAMPLE + 1]
    options = [_by_bits(points, members, sample, equal) for equal in range(1, MOST_BLOCKS_EQUAL + 1)]
    options += [_by_trait(trait, members, sample) for trait in points.traits.T]
    return min(options, key=lambda option: option.cost)


def _by_bits(points: Points, members: NDArray[np.intp], sample: NDArray[np.intp], equal: int) -> _Division:
    """Tables for hashes that are equal in ``equal`` of ``bits + equal`` blocks."""
    blocks = points.bits + equal
    masks, entropy = _blocks(points.hashes[sample], blocks)
    hashes = points.hashes[members]
    cost = _table_cost(len(members), share=2.0 ** (-entropy * equal / blocks))
    return _Division(
        comb(blocks, equal) * cost,
        lambda: (hashes & np.bitwise_or.reduce(chosen) for chosen in combinations(masks, equal)),
    )


def _blocks(hashes: NDArray[np.uint64], count: int) -> tuple[NDArray[np.uint64], float]:
    """Masks of neighbouring bits with about the same collision entropy, and the entropy of all bits together."""
    bits = np.unpackbits(hashes[:, None].byteswap().view(np.uint8), axis=1)
    ones = bits.mean(axis=0, dtype=np.float64)
    entropies = -np.log2(ones**2 + (1 - ones) ** 2)
    total = float(entropies.sum())
    # A bit lies in the block where its middle lies.
    middles = np.cumsum(entropies) - entropies / 2
    block = np.minimum(middles / max(total, 1e-9) * count, count - 1).astype(np.intp)
    masks = np.zeros(count, dtype=np.uint64)
    np.bitwise_or.at(masks, block, np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64))
    return masks, total


def _by_trait(trait: NDArray[np.float64], members: NDArray[np.intp], sample: NDArray[np.intp]) -> _Division:
    """Tables for a trait: cells of two limits' width, and the same shifted by half a cell."""
    shares = [_share_in_one_cell(trait[sample] / CELL + shift) for shift in SHIFTS]
    cells = trait[members] / CELL
    return _Division(
        sum(_table_cost(len(members), share) for share in shares),
        lambda: (np.floor(cells + shift).astype(np.int64).view(np.uint64) for shift in SHIFTS),
    )


def _share_in_one_cell(places: NDArray[np.float64]) -> float:
    """Share of all pairs that are in one cell of width 1."""
    _, sizes = np.unique(np.floor(places), return_counts=True)
    return float((sizes.astype(np.float64) ** 2).sum()) / len(places) ** 2


def _table_cost(count: int, share: float) -> float:
    """Comparisons that a table costs in which this share of all pairs is in one bucket."""
    return count * SORTING_COST + count**2 / 2 * share
