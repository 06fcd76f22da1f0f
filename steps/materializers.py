"""How the domain's values are kept in the artifact store: folders of JSON, Parquet, safetensors and ONNX; no pickle."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType
from zenml.io import fileio

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.drift.report import DriftReport
from quality_gate.drift.window import ObservedWindow
from quality_gate.evaluation.gate import GateResult
from quality_gate.evaluation.measured import Measured
from quality_gate.evaluation.predictions import Predictions
from quality_gate.evaluation.scores import CrossValidation
from quality_gate.models.folder import ModelFolder
from quality_gate.prediction.batch import Batch
from quality_gate.training.history import TrainingHistory
from quality_gate.tuning.result import TuningResult
from steps.content import ComparableMaterializer
from steps.folder_copy import copy_folder

JSON_FILE = "value.json"


class FolderMaterializer(ComparableMaterializer):
    """Keeps values that write themselves into a folder (``save``) and read themselves from one (``load``)."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Snapshot, SplitResult, Predictions, Measured, ObservedWindow)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, data: Any) -> None:
        """Write the folder: in place where the store is a local one, through a copy elsewhere."""
        if "://" not in self.uri:
            data.save(Path(self.uri))
            return
        with self.get_temporary_directory(delete_at_exit=True) as temporary:
            data.save(Path(temporary))
            copy_folder(temporary, self.uri)

    def load(self, data_type: type[Any]) -> Any:
        """Read the folder: in place where the store is a local one, from a copy elsewhere."""
        if Path(self.uri).is_dir():
            return data_type.load(Path(self.uri))
        with self.get_temporary_directory(delete_at_exit=False) as temporary:
            copy_folder(self.uri, temporary)
            return data_type.load(Path(temporary))


class ModelMaterializer(FolderMaterializer):
    """Keeps model folders, and shows them as models in the dashboard."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (ModelFolder,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL


class JsonMaterializer(ComparableMaterializer):
    """Keeps values that turn themselves into JSON (``to_json``) and back (``from_json``)."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (
        TrainingHistory, TuningResult, CrossValidation, GateResult, Batch, DriftReport,
    )  # fmt: skip
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS

    def save(self, data: Any) -> None:
        """Write the JSON file."""
        with fileio.open(os.path.join(self.uri, JSON_FILE), "w") as file:  # noqa: PTH118 - may be a remote address
            json.dump(data.to_json(), file, indent=2)

    def load(self, data_type: type[Any]) -> Any:
        """Read the JSON file."""
        with fileio.open(os.path.join(self.uri, JSON_FILE), "r") as file:  # noqa: PTH118
            return data_type.from_json(json.load(file))
