"""An evaluation with the answers behind it, as a value that steps hand on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quality_gate.evaluation.scores import Evaluation
from quality_gate.step_value import StepValue

EVALUATION_FILE = "evaluation.json"
ANSWERS_FILE = "probabilities.npz"


@dataclass(frozen=True)
class Measured(StepValue):
    """An evaluation and the answers behind it.

    Attributes:
        evaluation: the figures.
        probabilities: of each comparable model by name, float64, shape (test photos, classes).
    """

    evaluation: Evaluation
    probabilities: dict[str, NDArray[np.float64]]

    def save(self, folder: Path) -> None:
        """Write figures and answers into ``folder``."""
        (folder / EVALUATION_FILE).write_text(json.dumps(self.evaluation.to_json(), indent=2))
        np.savez(folder / ANSWERS_FILE, allow_pickle=False, **self.probabilities)

    @classmethod
    def load(cls, folder: Path) -> Measured:
        """Read what ``save`` wrote."""
        with np.load(folder / ANSWERS_FILE, allow_pickle=False) as answers:
            probabilities = {name: answers[name] for name in answers.files}
        return cls(Evaluation.from_json(json.loads((folder / EVALUATION_FILE).read_text())), probabilities)
