"""Equal values have equal digests, whichever runs they come from; anything a later step could see shows."""

from dataclasses import replace

import numpy as np
import pytest

from quality_gate.data.ingest import take_snapshot
from quality_gate.data.sources import discover
from quality_gate.evaluation.gate import GateResult, RuleResult
from quality_gate.evaluation.measured import Measured
from quality_gate.evaluation.predictions import Predictions
from quality_gate.models.folder import ModelFolder
from quality_gate.training.history import Epoch, TrainingHistory
from steps.content import content_digest
from steps.materializers import FolderMaterializer, JsonMaterializer, ModelMaterializer

ANSWERS = np.array([[0.25, 0.75], [1.0, 0.0]])
RULE = RuleResult("macro F1", 0.75, None, "at least", 0.8, False)
EPOCH = Epoch(0, None, 0.5, 1.25, 1e-4, True)


def test_every_materializer_tells_zenml_the_digest(tmp_path):
    for materializer, value in (
        (FolderMaterializer, Predictions(ANSWERS)),
        (JsonMaterializer, GateResult((RULE,))),
    ):
        assert materializer(str(tmp_path)).compute_content_hash(value) == content_digest(value)


@pytest.mark.parametrize(
    ("value", "equal", "other"),
    [
        (Predictions(ANSWERS), Predictions(ANSWERS.copy()), Predictions(ANSWERS[::-1])),
        (GateResult((RULE,)), GateResult((replace(RULE),)), GateResult((replace(RULE, note="why"),))),
        (TrainingHistory((EPOCH,)), TrainingHistory((EPOCH,)), TrainingHistory((EPOCH, EPOCH))),
    ],
    ids=["predictions", "gate", "history"],
)
def test_equal_values_have_equal_digests(value, equal, other):
    assert content_digest(value) == content_digest(equal) != content_digest(other)


def test_an_evaluation_counts_with_its_answers(make_evaluation):
    first, again = (Measured(make_evaluation(), {"candidate": ANSWERS}) for _ in range(2))
    assert content_digest(first) == content_digest(again)
    assert content_digest(replace(first, evaluation=make_evaluation(latency_ms=22.0))) != content_digest(first)
    assert content_digest(replace(first, probabilities={"candidate": ANSWERS[::-1]})) != content_digest(first)


@pytest.fixture
def photos(tmp_path):
    from quality_gate.data.scenes import write_demo_photos

    write_demo_photos(tmp_path / "photos", train_per_class=2, test_per_class=1, size=32, workers=1)
    return tmp_path / "photos"


def ingest(photos, target):
    return take_snapshot(discover(photos), target, workers=1).snapshot


class TestSnapshot:
    def test_the_same_photos_of_another_place_are_the_same(self, photos, tmp_path):
        first = ingest(photos, tmp_path / "first")
        photos.rename(tmp_path / "moved")
        assert content_digest(ingest(tmp_path / "moved", tmp_path / "again")) == content_digest(first)

    def test_another_label_or_photo_shows(self, photos, tmp_path):
        first = ingest(photos, tmp_path / "first")
        photo = next((photos / "train" / "onion").iterdir())
        content = photo.read_bytes()
        photo.write_bytes(content + b"\0")
        changed = ingest(photos, tmp_path / "changed")
        photo.write_bytes(content)
        photo.rename(photos / "train" / "potato" / photo.name)
        assert len({content_digest(one) for one in (first, changed, ingest(photos, tmp_path / "moved"))}) == 3


class TestModel:
    @pytest.fixture
    def model(self, write_tiny_model, tmp_path):
        return ModelFolder(write_tiny_model(tmp_path / "model"))

    def copy(self, model, target, **changes):
        target.mkdir()
        (model.path / "weights.safetensors").write_bytes(b"weights")
        return model.copy_with(replace(model.manifest, **changes), target)

    def test_other_code_that_makes_the_same_model_does_not_show(self, model, tmp_path):
        other = self.copy(model, tmp_path / "other", digests={**model.manifest.digests, "code": "other"})
        assert content_digest(other) == content_digest(model)
        assert ModelMaterializer(str(tmp_path)).compute_content_hash(other) == content_digest(model)

    @pytest.mark.parametrize("change", [{"temperature": 2.0}, {"routing": None}, {"name": "other"}])
    def test_what_later_steps_read_shows(self, model, tmp_path, change):
        assert content_digest(self.copy(model, tmp_path / "other", **change)) != content_digest(model)
