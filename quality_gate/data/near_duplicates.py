"""Groups of photos that show the same thing: they may never be parted by a split.

Two photos are near-duplicates if their perceptual hashes differ in few bits *and* colour, contrast and shape agree.
The hash alone is not enough: small things on a plain ground all have the hash of "something in the middle". What is
compared beside it hardly changes when a photo is re-encoded, resized or exposed otherwise.

Near-duplicates of near-duplicates are joined too, and where a whole class looks alike such chains run through it. A
group that holds too much of its class is therefore taken apart by closer comparisons, until it no longer does or only
photos that cannot be told apart are left in it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from quality_gate.data.phash import from_hex
from quality_gate.data.single_linkage import Points, single_linkage

if TYPE_CHECKING:
    import pandas as pd

GROUP_DIGITS = 16

# Below 2.5 of 255 grey levels a photo is blank, and its hash is made of noise: only equal bytes join blank photos.
BLANK_CONTRAST = 0.01

# A group may hold this share of its class, and always this many photos, before it is taken apart.
LARGEST_SHARE = 0.2
ALWAYS_ALLOWED = 8

# Each time a group is taken apart the limits are halved.
TIMES_TAKEN_APART = 2

# A hash has 32 bits set, so that bits flip in pairs: one pair is what re-encoding flips, and it keeps copies together
# however closely they are compared.
CLOSEST_BITS = 2


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
        """All limits halved; the bits not below those that re-encoding flips."""
        bits = min(self.bits, max(self.bits // 2, CLOSEST_BITS))
        return type(self)(bits, self.colour / 2, self.contrast / 2, self.aspect / 2)


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

    readable = table[table["is_readable"]]
    # Numbered in the order of the identifiers, so that the first photo of a group names it.
    numbers, image_ids = pd.factorize(readable["image_id"], sort=True)
    photos = readable.iloc[np.unique(numbers, return_index=True)[1]]
    groups = _without_chains(photos, readable["label"], Closeness(bits))
    result = pd.Series("", index=table.index, dtype="str", name="group")
    result[table["is_readable"]] = pd.Series(image_ids).str[:GROUP_DIGITS].to_numpy()[groups[numbers]]
    return result


def _without_chains(photos: "pd.DataFrame", labels: "pd.Series[str]", closeness: Closeness) -> NDArray[np.intp]:
    """The group of each photo, as the position of its first; what holds too much of a class is compared more closely.

    Args:
        photos: an image table of different readable photos.
        labels: of all photos, repeated ones too.
        closeness: of near-duplicates.
    """
    groups = _linked(photos, closeness)
    for _ in range(TIMES_TAKEN_APART):
        places = np.flatnonzero(_too_large(groups, photos["label"], labels))
        closeness = closeness.halved()
        groups[places] = places[_linked(photos.iloc[places], closeness)]
    return groups


def traits(photos: "pd.DataFrame", closeness: Closeness) -> NDArray[np.float64]:
    """What is compared beside the hash, in units of the largest difference between near-duplicates.

    Args:
        photos: an image table of readable photos with some contrast.
        closeness: of near-duplicates.

    Returns:
        Shape (photos, 5): the shares of red, green and blue, the relative contrast, the aspect ratio.
    """
    means = photos[["red_mean", "green_mean", "blue_mean"]].to_numpy()
    return np.column_stack(
        [
            means / means.sum(axis=1, keepdims=True) / closeness.colour,
            np.log(photos["contrast"] / photos["brightness"]) / closeness.contrast,
            np.log(photos["aspect_ratio"]) / closeness.aspect,
        ]
    )


def _linked(photos: "pd.DataFrame", closeness: Closeness) -> NDArray[np.intp]:
    """The first photo that each is a near-duplicate of, directly or through others: positions, shape (photos,)."""
    places = np.flatnonzero(photos["contrast"] >= BLANK_CONTRAST)
    compared = photos.iloc[places]
    points = Points(from_hex(compared["phash"].tolist()), traits(compared, closeness), closeness.bits)
    result = np.arange(len(photos))
    result[places] = places[single_linkage(points)]
    return result


def _too_large(groups: NDArray[np.intp], labels: "pd.Series[str]", all_labels: "pd.Series[str]") -> NDArray[np.bool_]:
    """Which photos are in a group that holds too much of the class most of it belongs to: bool, shape (photos,)."""
    import pandas as pd

    members = pd.DataFrame({"group": groups, "label": labels.to_numpy()})
    sizes = members["group"].value_counts()
    suspects = members[members["group"].isin(sizes.index[sizes > ALWAYS_ALLOWED])]
    counts = (
        suspects.value_counts(["group", "label"]).reset_index().sort_values(["count", "label"], ascending=[False, True])
    )
    majority = counts.groupby("group")["label"].first()
    too_large = sizes[majority.index] > LARGEST_SHARE * majority.map(all_labels.value_counts())
    result: NDArray[np.bool_] = np.isin(groups, too_large.index[too_large])
    return result
