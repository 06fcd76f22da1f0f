"""Where a candidate stands: whom it must match, and whether it is champion already.

A run is compiled before its candidate is known, and no cached step may answer for another champion than there is. So a
run expects of its candidate what was trained from the same photos, settings and code before. A step holds that against
the candidate itself, and what follows is keyed by what that step finds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from quality_gate.ledger import LedgerEntry

CANDIDATES_FILE = "candidates.json"
MOST_CANDIDATES = 100

# Given the champion, the time of the build of the Bento that serves it; None where none does.
BuildOf = Callable[["LedgerEntry"], str | None]


class Standing(NamedTuple):
    """Where a candidate stands.

    Attributes:
        rival: identity of the promotion of the model it must match; '' where there is none.
        promotion: identity of the one that made it champion, or the name of the one to come.
        built: when the Bento that serves it was built, or the time to give to the one to come.
    """

    rival: str
    promotion: str
    built: str


def standing(
    champions: Sequence[LedgerEntry], candidate: str | None, *, to_come: tuple[str, str], build_of: BuildOf
) -> Standing:
    """Find where a candidate stands.

    It must match the champion or, if it is the champion, the one before: so a repetition asks what was asked before.

    Args:
        champions: of the ledger, the champion last.
        candidate: digest of its answers (``ModelManifest.answers_digest``); None while it is not known.
        to_come: names for its promotion and for the build of its Bento, should it come to them.
        build_of: asked for the champion alone.
    """
    promotion, built = to_come
    if not champions:
        return Standing("", promotion, built)
    champion = champions[-1]
    if candidate is None or not is_champion(champion, candidate):
        return Standing(champion.identity, promotion, built)
    before = champions[-2].identity if len(champions) > 1 else ""
    return Standing(before, champion.identity, build_of(champion) or built)


def is_champion(champion: LedgerEntry, candidate: str) -> bool:
    """Whether a candidate is the champion, by the digest of its answers.

    A champion of the time before models kept a reference is promoted anew: its photos could not be watched for drift.
    """
    return champion.digests.get("answers") == candidate and "reference" in champion.digests


def moment() -> str:
    """Now (UTC), to the microsecond: the name of what is to come."""
    return f"{datetime.now(UTC):%Y%m%dt%H%M%S%f}"


class Candidates:
    """What came of which photos, settings and code, as far as it is remembered.

    A memory, no record: where it is wrong or gone, a step runs once more than it had to.

    Args:
        folder: of the gate's registry.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CANDIDATES_FILE

    def expected(self, origin: str) -> str | None:
        """Digest of the candidate that came of ``origin`` the last time; None where that is not known."""
        return self._known().get(origin)

    def remember(self, origin: str, candidate: str) -> None:
        """Keep what came of ``origin``."""
        known = self._known()
        known.pop(origin, None)
        newest = dict([*known.items(), (origin, candidate)][-MOST_CANDIDATES:])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        written.write_text(json.dumps(newest, indent=2), encoding="utf-8")
        written.replace(self._path)

    def _known(self) -> dict[str, str]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
