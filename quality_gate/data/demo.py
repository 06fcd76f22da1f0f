"""The demo photos of a user who has none yet: made once, kept with the product's state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.data.scenes import write_demo_photos

if TYPE_CHECKING:
    from quality_gate.progress import Reporter


def ensure_demo_photos(folder: Path, reporter: Reporter) -> Path:
    """Make the demo photos where they are not there yet.

    Args:
        folder: where they are kept.
        reporter: told how far it is.

    Returns:
        The folder, with ``train/`` and ``test/``.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_demo_photos(folder, on_progress=reporter.progress("demo photos"))
    return folder
