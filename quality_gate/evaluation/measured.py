"""An evaluation with the answers behind it, as a value that steps hand on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.scores import Evaluation
from quality_gate.step_value import StepValue

EVALUATION_FILE = "evaluation.json"
ANSWERS_FILE = "probabilities.npz"
ROLLING_FILE = "rolling.npz"


@dataclass(frozen=True)
class Measured(StepValue):
    """An evaluation and the answers behind it.

    Attributes:
        evaluation: the figures.
        probabilities: of each comparable model by name, float64, shape (test photos, classes).
        rolling: the same for the photos of the rolling test; empty where there is none.
    """

    evaluation: Evaluation
    probabilities: dict[str, NDArray[np.float64]]
    rolling: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write figures and answers into ``folder``."""
        (folder / EVALUATION_FILE).write_text(json.dumps(self.evaluation.to_json(), indent=2))
        np.savez(folder / ANSWERS_FILE, allow_pickle=False, **self.probabilities)
        if self.rolling:
            np.savez(folder / ROLLING_FILE, allow_pickle=False, **self.rolling)

    @classmethod
    def load(cls, folder: Path) -> Measured:
        """Read what ``save`` wrote."""
        evaluation = Evaluation.from_json(json.loads((folder / EVALUATION_FILE).read_text()))
        rolling = _answers(folder / ROLLING_FILE) if evaluation.rolling else {}
        return cls(evaluation, _answers(folder / ANSWERS_FILE), rolling)


def _answers(path: Path) -> dict[str, NDArray[np.float64]]:
    with np.load(path, allow_pickle=False) as answers:
        return {name: answers[name] for name in answers.files}
