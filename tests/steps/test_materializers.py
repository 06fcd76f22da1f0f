"""The domain's values come back from the artifact store as they went in."""

from pathlib import Path

import numpy as np
import pytest
from zenml.materializers.materializer_registry import materializer_registry

from quality_gate.data.snapshot import Snapshot
from quality_gate.data.split import SplitResult
from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.gate import GateResult, RuleResult
from quality_gate.evaluation.measured import Measured
from quality_gate.evaluation.predictions import Predictions
from quality_gate.models.folder import ModelFolder
from quality_gate.training.history import Epoch, TrainingHistory
from steps.folder_copy import copy_folder
from steps.materializers import FolderMaterializer, JsonMaterializer, ModelMaterializer

PREDICTIONS = Predictions(np.array([[0.25, 0.75], [1.0, 0.0]]))
HISTORY = TrainingHistory((Epoch(0, None, 0.5, 1.25, 1e-4, True), Epoch(1, 0.3, 0.4, 1.5, 5e-5, False)))
GATE = GateResult(
    (
        RuleResult("macro F1", 0.75, Interval(0.7, 0.8), "at least", 0.8, False),
        RuleResult("against the champion", None, None, "at least", -0.03, None, "there is no champion yet"),
    )
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Snapshot, FolderMaterializer),
        (SplitResult, FolderMaterializer),
        (Predictions, FolderMaterializer),
        (Measured, FolderMaterializer),
        (ModelFolder, ModelMaterializer),
        (TrainingHistory, JsonMaterializer),
        (GateResult, JsonMaterializer),
    ],
)
def test_every_value_that_steps_hand_on_has_its_materializer(value, expected):
    assert materializer_registry[value] is expected


def test_predictions_come_back_from_a_folder(tmp_path):
    materializer = FolderMaterializer(str(tmp_path))
    materializer.save(PREDICTIONS)
    assert np.array_equal(materializer.load(Predictions).probabilities, PREDICTIONS.probabilities)


def test_a_model_comes_back_with_all_its_files(write_tiny_model, tmp_path):
    model = ModelFolder(write_tiny_model(tmp_path / "model"))
    (model.path / "weights.safetensors").write_bytes(b"weights")
    stored = tmp_path / "stored"
    stored.mkdir()
    materializer = ModelMaterializer(str(stored))
    materializer.save(model)
    loaded = materializer.load(ModelFolder)
    assert loaded.manifest == model.manifest
    assert (loaded.path / "weights.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize("value", [HISTORY, GATE], ids=["history", "gate"])
def test_json_values_come_back_equal(value, tmp_path):
    materializer = JsonMaterializer(str(tmp_path))
    materializer.save(value)
    assert materializer.load(type(value)) == value


def test_no_value_is_kept_as_a_pickle(tmp_path):
    FolderMaterializer(str(tmp_path)).save(PREDICTIONS)
    JsonMaterializer(str(tmp_path)).save(GATE)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}
    assert np.load(tmp_path / "probabilities.npy", allow_pickle=False).shape == (2, 2)


def test_a_folder_is_copied_to_and_from_a_store_with_all_its_levels(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "shards").mkdir(parents=True)
    (source / "table").write_bytes(b"table")
    (source / "shards" / "0").write_bytes(b"shard")
    copy_folder(str(source), str(target))
    assert _contents(target) == {"table": b"table", "shards/0": b"shard"}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
