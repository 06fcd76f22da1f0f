"""The window of a drift run: answers of the champion from the prediction log, beside what they are held against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quality_gate.drift.observations import Observations
from quality_gate.errors import UserError
from quality_gate.monitoring.log_settings import log_database
from quality_gate.step_value import StepValue

if TYPE_CHECKING:
    from quality_gate.drift.reference import Reference
    from quality_gate.drift_settings import DriftSettings
    from quality_gate.monitoring.prediction import Prediction
    from quality_gate.monitoring.prediction_log import PredictionLog, Window

PHOTOS_FILE, REFERENCE_FILE, ABOUT_FILE = "window.npz", "reference.npz", "window.json"


@dataclass(frozen=True)
class ObservedWindow(StepValue):
    """Photos of the prediction log and of the reference.

    Attributes:
        gate: name of the gate.
        model_version: of its champion, which answered them.
        observations: the photos of the window.
        reference: the photos they are held against.
        found: photos of the champion in the window; more than ``observations`` where some were drawn.
        first: when the first of them was answered, ISO 8601 in UTC; '' where there is none.
        last: when the last was.
        left_out: photos of the window that other versions of the model answered, by version.
        unknown_versions: of these the ones that the ledger does not know.
    """

    gate: str
    model_version: str
    observations: Observations
    reference: Observations
    found: int
    first: str
    last: str
    left_out: Mapping[str, int]
    unknown_versions: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write the window into ``folder``."""
        np.savez(folder / PHOTOS_FILE, allow_pickle=False, **self.observations.arrays())
        np.savez(folder / REFERENCE_FILE, allow_pickle=False, **self.reference.arrays())
        names = ("gate", "model_version", "found", "first", "last", "left_out", "unknown_versions")
        (folder / ABOUT_FILE).write_text(json.dumps({name: getattr(self, name) for name in names}, indent=2))

    @classmethod
    def load(cls, folder: Path) -> ObservedWindow:
        """Read what :meth:`save` wrote."""
        about = json.loads((folder / ABOUT_FILE).read_text())
        with np.load(folder / PHOTOS_FILE, allow_pickle=False) as photos:
            observations = Observations.from_arrays(photos)
        with np.load(folder / REFERENCE_FILE, allow_pickle=False) as photos:
            reference = Observations.from_arrays(photos)
        unknown = tuple(about.pop("unknown_versions"))
        return cls(observations=observations, reference=reference, unknown_versions=unknown, **about)


def read_window(
    settings: DriftSettings, model_version: str, known_versions: set[str], reference: Reference
) -> ObservedWindow:
    """Read the window of a run from the prediction log.

    Args:
        settings: which photos.
        model_version: of the champion.
        known_versions: all that the ledger knows of.
        reference: of the champion.

    Raises:
        UserError: the log cannot be used, or holds answers that are none of this model.
    """
    from quality_gate.monitoring.prediction_log import PredictionLog, Window

    gate, hours = settings.name, settings.hours
    # What is answered while this reads is none of this window.
    until = datetime.now(UTC) if settings.until is None else datetime.fromisoformat(settings.until)
    with log_database() as database:
        log = PredictionLog(database)
        versions = log.count_by_version(Window(hours=hours, gate=gate, until=until))
        window = Window(hours=hours, photos=settings.photos, gate=gate, model_version=model_version, until=until)
        found = log.count(window)
        predictions = _drawn(log, window, found, settings.max_photos, settings.seed)
    observed = reference.observations
    try:
        observations = Observations.of(predictions, observed.classes, observed.features.shape[1])
    except ValueError as error:
        raise UserError(
            f"The prediction log holds answers of {gate}:{model_version} that are not of this model ({error}); "
            "another installation may write into the same log under the same name."
        ) from None
    times = [one.time for one in predictions]
    others = {version: count for version, count in versions.items() if version != model_version}
    return ObservedWindow(
        gate,
        model_version,
        observations,
        observed,
        found,
        min(times).isoformat(timespec="seconds") if times else "",
        max(times).isoformat(timespec="seconds") if times else "",
        others,
        tuple(sorted(others.keys() - known_versions)),
    )


def _drawn(log: PredictionLog, window: Window, found: int, most: int, seed: int) -> list[Prediction]:
    """The predictions of a window; of more than ``most`` so many, spread over all of it by chance."""
    predictions = (prediction for page in log.read(window) for prediction in page)
    if found <= most:
        return list(predictions)
    chosen = set(np.random.default_rng(seed).choice(found, most, replace=False).tolist())
    return [prediction for place, prediction in enumerate(predictions) if place in chosen]
