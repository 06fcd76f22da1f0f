"""Great Expectations on a window: whether its answers are what the service writes, its photos what a camera gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quality_gate.data.validation import ValidationResult, hold_against_suite
from quality_gate.drift.observations import STATISTICS

if TYPE_CHECKING:
    import pandas as pd

    from quality_gate.drift.observations import Observations


def window_table(photos: Observations) -> pd.DataFrame:
    """Photos as a table, one a row: ``path`` (a number), ``label``, ``confidence``, and the image statistics."""
    import pandas as pd

    return pd.DataFrame(
        {
            "path": [f"photo {number}" for number in range(1, len(photos) + 1)],
            "label": [photos.classes[number] for number in photos.predicted],
            "confidence": photos.confidence,
            **{name: photos.statistics[name] for name in STATISTICS},
        }
    )


def check_window(
    photos: Observations, suite: str, suite_folder: Path, docs_folder: Path | None = None
) -> ValidationResult:
    """Check a window.

    Args:
        photos: of the window, at least one.
        suite: its name.
        suite_folder: where the suites are.
        docs_folder: where Great Expectations writes its Data Docs; None writes none.

    Raises:
        UserError: the suite is missing or misspelt.
    """
    # Rounded down: a probability may be a little below the even share.
    parameters = {"classes": list(photos.classes), "least_confidence": 1 / len(photos.classes) - 1e-6}
    return hold_against_suite(window_table(photos), suite_folder, suite, parameters, docs_folder)
