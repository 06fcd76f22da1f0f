"""Groups of photos that show the same thing: they may never be parted by a split.

Two photos are near-duplicates if their perceptual hashes differ in few bits *and* colour, contrast and shape agree.
The hash alone is not enough: small things on a plain ground all have the hash of "something in the middle". What is
compared beside it hardly changes when a photo is re-encoded, resized or exposed otherwise.

Near-duplicates of near-duplicates are joined too, and where a whole class looks alike such chains run through it. A
group that holds too much of its class is therefore taken apart by closer comparisons, until it no longer does or only
photos that cannot be told apart are left in it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.phash import from_hex

if TYPE_CHECKING:
    import pandas as pd

GROUP_DIGITS = 16

# Below 2.5 of 255 grey levels a photo is blank, and its hash is made of noise: only equal bytes join blank photos.
BLANK_CONTRAST = 0.01

# A group may hold this share of its class, and always this many photos, before it is taken apart.
LARGEST_SHARE = 0.2
ALWAYS_ALLOWED = 8

# Each time a group is taken apart the limits are halved. Twice makes of a hash radius of 4 one of 1: the bit that
# re-encoding flips, so that copies stay together whatever their number.
TIMES_TAKEN_APART = 2

# In buckets of photos that look alike by the thousand each is compared with so many next to it, not with all.
MOST_COMPARISONS = 512


@dataclass(frozen=True)
class Closeness:
    """How far apart two near-duplicates may be.

    Attributes:
        bits: Hamming distance of their 64-bit hashes.
        colour: difference of the share that a channel has in the sum of the three channel means.
        contrast: difference of the logarithms of contrast / brightness, which no exposure changes.
        aspect: difference of the logarithms of the aspect ratios.
    """

    bits: int
    colour: float = 0.02
    contrast: float = 0.3
    aspect: float = 0.1

    def halved(self) -> Self:
        """All limits halved."""
        return type(self)(self.bits // 2, self.colour / 2, self.contrast / 2, self.aspect / 2)


def near_pairs(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.intp]:
    """Pairs of hashes within a Hamming radius, without comparing all with all.

    By the pigeonhole principle two hashes that differ in at most ``bits`` bits are equal in one of ``bits + 1`` bands;
    only hashes that share a band are compared. In a bucket each hash is compared with the 512 that follow in order,
    so the result is complete unless more than 512 hashes share a band.

    Args:
        hashes: uint64, shape (photos,).
        bits: radius, 0 to 63.

    Returns:
        Pairs of positions (i, j) with i < j, shape (pairs, 2), sorted.
    """
    edges = np.linspace(0, 64, bits + 2).astype(np.uint64)
    found = [np.empty(0, dtype=np.int64)]
    for low, high in pairwise(edges):
        keys = (hashes << (np.uint64(64) - high)) >> (np.uint64(64) - high + low)
        order = np.lexsort((hashes, keys))
        found += list(_pairs_in_band(hashes[order], keys[order], order, bits))
    codes = np.unique(np.concatenate(found))
    return np.column_stack(np.divmod(codes, max(len(hashes), 1))).astype(np.intp)


def _pairs_in_band(
    hashes: NDArray[np.uint64], keys: NDArray[np.uint64], order: NDArray[np.intp], bits: int
) -> Iterator[NDArray[np.int64]]:
    """Pairs within ``bits`` among hashes sorted by key, of equal keys, as i × count + j for positions i < j."""
    count = len(order)
    places = np.arange(count)
    for step in range(1, MOST_COMPARISONS + 1):
        places = places[places + step < count]
        # Keys are sorted: what has left its bucket at this step is out of it at every later one.
        places = places[keys[places] == keys[places + step]]
        if not len(places):
            return
        near = places[np.bitwise_count(hashes[places] ^ hashes[places + step]) <= bits]
        left, right = order[near], order[near + step]
        yield np.minimum(left, right).astype(np.int64) * count + np.maximum(left, right)


def group_photos(table: "pd.DataFrame", bits: int) -> "pd.Series[str]":
    """Give every readable photo the name of its group.

    Args:
        table: an image table.
        bits: Hamming radius of the perceptual hashes, 0 to 63; 0 groups only equal hashes.

    Returns:
        Group names: the first 16 digits of the group's smallest ``image_id``, so that neither the order of the files
        nor a file elsewhere changes them; '' for unreadable files. Indexed like the table.
    """
    import pandas as pd

    readable = table[table["is_readable"]].sort_values(["brightness", "image_id"], kind="stable")
    photos = readable.drop_duplicates("image_id")
    pairs = near_pairs(from_hex(photos["phash"].tolist()), bits)
    groups = _without_chains(photos, readable, pairs, bits)
    names = photos.groupby(groups)["image_id"].transform("min").str[:GROUP_DIGITS]
    by_id = dict(zip(photos["image_id"], names, strict=True))
    result = pd.Series("", index=table.index, dtype="str", name="group")
    result[table["is_readable"]] = table.loc[table["is_readable"], "image_id"].map(by_id)
    return result


def _without_chains(
    photos: "pd.DataFrame", readable: "pd.DataFrame", pairs: NDArray[np.intp], bits: int
) -> NDArray[np.intp]:
    """Number of the group of each photo; groups that hold too much of a class are compared again more closely."""
    closeness = Closeness(bits)
    pairs = pairs[_close(photos, pairs, closeness)]
    groups = _components(len(photos), pairs)
    per_class = Counter(readable["label"])
    labels = photos["label"].to_numpy()
    for _ in range(TIMES_TAKEN_APART):
        too_large = _too_large(groups, labels, per_class)
        if not too_large.any():
            break
        closeness = closeness.halved()
        inside = too_large[pairs[:, 0]]
        pairs = pairs[~inside | _close(photos, pairs, closeness)]
        groups = _components(len(photos), pairs)
    return groups


def _close(photos: "pd.DataFrame", pairs: NDArray[np.intp], closeness: Closeness) -> NDArray[np.bool_]:
    """Which pairs are near-duplicates: bool, shape (pairs,)."""
    left, right = pairs[:, 0], pairs[:, 1]
    hashes = from_hex(photos["phash"].tolist())
    contrast = photos["contrast"].to_numpy()
    means = photos[["red_mean", "green_mean", "blue_mean"]].to_numpy()
    tiny = np.finfo(np.float64).tiny
    colour = means / np.maximum(means.sum(axis=1, keepdims=True), tiny)
    relative = np.log(np.maximum(contrast, tiny)) - np.log(np.maximum(photos["brightness"].to_numpy(), tiny))
    aspect = np.log(photos["aspect_ratio"].to_numpy())
    result: NDArray[np.bool_] = (
        (np.bitwise_count(hashes[left] ^ hashes[right]) <= closeness.bits)
        & (np.abs(colour[left] - colour[right]).max(axis=1, initial=0) <= closeness.colour)
        & (np.abs(relative[left] - relative[right]) <= closeness.contrast)
        & (np.abs(aspect[left] - aspect[right]) <= closeness.aspect)
        & (np.minimum(contrast[left], contrast[right]) >= BLANK_CONTRAST)
    )
    return result


def _too_large(groups: NDArray[np.intp], labels: NDArray[np.object_], per_class: Counter[str]) -> NDArray[np.bool_]:
    """Which photos are in a group that holds too much of the class most of it belongs to: bool, shape (photos,)."""
    sizes = Counter(groups.tolist())
    suspects = {group for group, size in sizes.items() if size > ALWAYS_ALLOWED}
    too_large = set()
    for group in suspects:
        label, _ = Counter(labels[groups == group]).most_common(1)[0]
        if sizes[group] > LARGEST_SHARE * per_class[label]:
            too_large.add(group)
    return np.array([group in too_large for group in groups.tolist()], dtype=np.bool_)


def _components(count: int, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number of the connected component of each photo, shape (count,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(pairs), dtype=np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, components = connected_components(edges, directed=False)
    return np.asarray(components, dtype=np.intp)
