"""Where reviewed photos of the operation go, beside photos that are divided already and stay where they are.

A share of them becomes a second test set, which moves on with the operation; the others train, choose and calibrate.
None enters the fixed test set, so that models of different months are measured on the same photos.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from quality_gate.data.image_table import ROLLING_TEST
from quality_gate.data.near_duplicates import group_photos
from quality_gate.settings import SplitSettings

if TYPE_CHECKING:
    import pandas as pd

# From the one from which most is learnt to that from which nothing is.
_PLACES = ("train", "validation", "calibration", ROLLING_TEST)


class _Place(NamedTuple):
    """Where a photo goes; ``split`` is '' for one that is left out, for a ``reason``."""

    split: str
    group: str
    reason: str = ""


def place_reviewed(
    divided: pd.DataFrame, reviewed: pd.DataFrame, settings: SplitSettings, seed: int
) -> tuple[pd.DataFrame, dict[Any, str]]:
    """Find a place for each reviewed photo.

    Each is drawn by a hash of seed and photo alone. Near-duplicates all go to that of their places from which most is
    learnt, of train, validation, calibration and rolling test in this order, and are left out where divided photos like
    them are elsewhere. So more photos can bring one nearer to training, and never from training into a test.

    Args:
        divided: an image table with ``split`` and ``group``.
        reviewed: an image table as ingested.
        settings: shares, and how close near-duplicates are.
        seed: same seed and same photos, same places.

    Returns:
        The rows of ``reviewed`` with ``split`` and ``group``, and why some are left out, by their place in the index.
    """
    import pandas as pd

    together = pd.concat([divided, reviewed], ignore_index=True)
    together["group"] = group_photos(together, settings.near_duplicate_bits)
    known = together.iloc[: len(divided)].assign(split=divided["split"].to_numpy(), own=divided["group"].to_numpy())
    in_use = known[known["split"] != ""].sort_values("path")
    witnesses = {str(group): rows for group, rows in in_use.groupby("group")}
    new = together.iloc[len(divided) :]
    drawn = _drawn_together(new, settings, seed)
    rows = zip(new["group"], new["problem"], strict=True)
    places = [_place(group, problem, witnesses.get(group), drawn) for group, problem in rows]
    placed = reviewed.assign(split=[place.split for place in places], group=[place.group for place in places])
    reasons = {index: place.reason for index, place in zip(reviewed.index, places, strict=True) if place.reason}
    return placed, reasons


def _place(group: str, problem: str, near: pd.DataFrame | None, drawn: Mapping[str, str]) -> _Place:
    if problem:
        return _Place("", "", problem)
    if near is None:
        return _Place(drawn[group], group)
    own, splits = near["own"].iloc[0], set(near["split"])
    if "test" in splits:
        photo = near.loc[near["split"] == "test", "path"].iloc[0]
        return _Place("", own, f"leak: near-duplicate of the test photo {photo}")
    place = min({drawn[group], *splits}, key=_PLACES.index)
    elsewhere = sorted(splits - {place})
    if elsewhere:
        return _Place("", own, f"near-duplicate of photos that are in {' and in '.join(elsewhere)}")
    return _Place(place, own)


def _drawn_together(rows: pd.DataFrame, settings: SplitSettings, seed: int) -> dict[str, str]:
    """The place of each group: of those of its photos the one from which most is learnt."""
    places: dict[str, str] = {}
    for group, image_id in zip(rows["group"], rows["image_id"], strict=True):
        places[group] = min(places.get(group, ROLLING_TEST), _drawn(image_id, settings, seed), key=_PLACES.index)
    return places


def _drawn(image_id: str, settings: SplitSettings, seed: int) -> str:
    """The place of a photo that is like no other."""
    drawn = int.from_bytes(sha256(f"{seed}:reviewed:{image_id}".encode()).digest()[:8], "big") / 2**64
    rest = 1 - settings.rolling_test_share
    shares = {
        ROLLING_TEST: settings.rolling_test_share,
        "validation": rest * settings.validation_share,
        "calibration": rest * settings.calibration_share,
    }
    for name, share in shares.items():
        drawn -= share
        if drawn < 0:
            return name
    return "train"
