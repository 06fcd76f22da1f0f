"""Where reviewed photos of the operation go, beside photos that are divided already and stay where they are.

A share of them becomes a second test set, which moves on with the operation; from the others a model learns. None
enters the fixed test set, so that models of different months are measured on the same photos. None chooses or
calibrates: people see the photos of which a model was unsure, and a few of them are labelled wrong, while a temperature
and the certificate are about photos as they come. With a few such photos nothing can be certified any more.
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


class _Place(NamedTuple):
    """Where a photo goes; ``split`` is '' for one that is left out, for a ``reason``."""

    split: str
    group: str
    reason: str = ""


def place_reviewed(
    divided: pd.DataFrame, reviewed: pd.DataFrame, settings: SplitSettings, seed: int
) -> tuple[pd.DataFrame, dict[Any, str]]:
    """Find a place for each reviewed photo.

    Each is drawn by a hash of seed and photo alone. Near-duplicates all train where one of them or of the divided
    photos does, and are left out where divided photos like them do anything else. So more photos can bring one from
    the rolling test into training, and never back.

    Args:
        divided: an image table with ``split`` and ``group``.
        reviewed: an image table as ingested.
        settings: share of the rolling test, and how close near-duplicates are.
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
    elsewhere = sorted(splits - {"train"})
    if elsewhere:
        return _Place("", own, f"near-duplicate of photos that are in {' and in '.join(elsewhere)}")
    return _Place("train", own)


def _drawn_together(rows: pd.DataFrame, settings: SplitSettings, seed: int) -> dict[str, str]:
    """The place of each group: train where it is that of any of its photos."""
    places: dict[str, str] = {}
    for group, image_id in zip(rows["group"], rows["image_id"], strict=True):
        if places.get(group) != "train":
            places[group] = _drawn(image_id, settings, seed)
    return places


def _drawn(image_id: str, settings: SplitSettings, seed: int) -> str:
    """The place of a photo that is like no other."""
    drawn = int.from_bytes(sha256(f"{seed}:reviewed:{image_id}".encode()).digest()[:8], "big") / 2**64
    return ROLLING_TEST if drawn < settings.rolling_test_share else "train"
