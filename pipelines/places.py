"""Places that settings name: steps may run elsewhere, and paths are meant from where the command was typed."""

from pathlib import Path

from quality_gate.data.sources import is_url


def absolute(place: str) -> str:
    """A path as an absolute one; a URL as it is."""
    return place if is_url(place) else str(Path(place).expanduser().absolute())
