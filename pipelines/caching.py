"""What steps are keyed by besides their parameters and inputs: code, libraries, files, and the champion."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from bentos.served import build_of
from quality_gate.code_index import CodeIndex, library_versions
from quality_gate.data.fingerprint import source_fingerprint
from quality_gate.home import locate
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import file_digest
from quality_gate.settings import TrainingSettings
from quality_gate.standing import Candidates, Standing, moment, standing

# Every step is imported with all materializers. How a value is kept ZenML puts into the key of the step that makes it.
NOT_OF_A_STEP = ("steps",)

# A step's environment is part of its key, in whichever container the key is made.
CODE_VARIABLE = "QUALITY_GATE_STEP_CODE"
FILES_VARIABLE = "QUALITY_GATE_STEP_FILES"

STEPS_TO_A_CANDIDATE = ("ingest", "validate", "split", "find_suspects", "train_transfer", "calibrate")


class StepCode:
    """What the code of each step can reach, and the libraries it runs on."""

    def __init__(self) -> None:
        self._index = CodeIndex(leave_out=NOT_OF_A_STEP)
        self._libraries = library_versions()

    def digest(self, module: str) -> str:
        """Another one when a line changes that the step in ``module`` can reach, or a library."""
        return _digest(self._index.digest(module), self._libraries)


class FileKeys(NamedTuple):
    """Digests of the files that the settings name."""

    source: str
    weights: str


def file_keys(settings: TrainingSettings) -> FileKeys:
    """The state of the source, and the content of the files of weights; '' where none is named."""
    named = [Path(one.weights_file or "") for one in (settings.transfer, *settings.ensemble.members)]
    weights = [file_digest(path) if path.is_file() else "" for path in named]
    return FileKeys(source_fingerprint(settings.data), " ".join(weights).strip())


def origin(settings: TrainingSettings, files: FileKeys, code: StepCode, hard_negatives: list[str]) -> str:
    """Digest of all that a candidate is made from.

    Args:
        settings: of the run.
        files: that the settings name.
        code: of the steps.
        hard_negatives: SHA-256 of the photos that count several times in training.
    """
    chosen = settings.model_dump(
        include={"name", "seed", "data", "validation", "split", "transfer", "ensemble", "calibration"}
    )
    emphasis = (hard_negatives, settings.retraining.hard_negative_copies) if hard_negatives else ()
    return _digest(chosen, files, emphasis, [code.digest(f"steps.{step}") for step in STEPS_TO_A_CANDIDATE])


def expected_standing(name: str, made_from: str) -> Standing:
    """Where the candidate that comes of ``made_from`` is expected to stand."""
    folder, now = locate().registry(name), moment()
    candidate = Candidates(folder).expected(made_from)
    return standing(Ledger(folder).champions(), candidate, to_come=(now, now), build_of=build_of(name))


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
