"""The step with real trainings on a few painted photos, outside of any pipeline."""

from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from quality_gate.data.scenes import LABELS, encode_scene
from quality_gate.home import Home
from quality_gate.settings import TrainingSettings
from quality_gate.tuning.settings import SearchSettings
from steps import tune as module

SEARCH = dict.fromkeys(SearchSettings.model_fields) | {
    "augmented_views": [0, 1],
    "finetune_min_photos": [0, 2000],
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
}
SETTINGS = TrainingSettings.model_validate(
    {
        "name": "market",
        "transfer": {"size": 32, "training_views": ["crop"], "augmented_views": 0, "finetune_epochs": 1, "threads": 1},
        "tuning": {"trials": 4, "search": SEARCH},
    }
)
PER_CLASS = {"train": 3, "validation": 2, "calibration": 2, "test": 2}


class WatchedSnapshot:
    """Photos by their number; ``asked`` lists those that were read."""

    digest, classes = "d" * 64, LABELS

    def __init__(self):
        self.asked = []
        rows = [(split, label) for split, count in PER_CLASS.items() for label in LABELS for _ in range(count)]
        self.table = pd.DataFrame(
            {
                "image_id": [f"{number:064x}" for number in range(len(rows))],
                "path": [f"{number}.jpg" for number in range(len(rows))],
                "label": [label for _, label in rows],
                "split": [split for split, _ in rows],
                "group": [str(number) for number in range(len(rows))],
                "is_readable": True,
            }
        )

    def photos(self, image_ids):
        labels = dict(zip(self.table["image_id"], self.table["label"], strict=True))
        for image_id in image_ids:
            self.asked.append(image_id)
            yield encode_scene(labels[image_id], int(image_id, 16), size=48)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, make_tracked):
    """What the step read, returned and wrote."""
    root = tmp_path_factory.mktemp("tuned")
    snapshot, tracked = WatchedSnapshot(), make_tracked()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quality_gate.home.locate", lambda: Home(root / "home"))
        patch.setattr(module, "experiment_run", lambda name: tracked)
        patch.setattr(module, "report_folder", lambda name: root)
        split = SimpleNamespace(table=snapshot.table, digest="s" * 64)
        result, page = module.tune.entrypoint(snapshot, split, SETTINGS, "")
    return SimpleNamespace(result=result, page=str(page), snapshot=snapshot, folder=root, tracked=tracked)


def test_only_photos_of_training_and_validation_are_looked_at(tuned):
    table = tuned.snapshot.table
    allowed = table[table["split"].isin(["train", "validation"])]["image_id"]
    assert set(tuned.snapshot.asked) == set(allowed)


def test_the_page_and_the_best_settings_are_written(tuned):
    assert (tuned.folder / "tuning.html").read_text() == tuned.page
    assert f"zenml pipeline run training --config {tuned.folder / 'best.yaml'}" in tuned.page
    found = TrainingSettings.model_validate(yaml.safe_load((tuned.folder / "best.yaml").read_text())["parameters"])
    expected = SETTINGS.transfer.model_dump(mode="json") | dict(tuned.result.best.settings)
    assert found.transfer.model_dump(mode="json") == expected


def test_every_trial_is_tracked(tuned):
    assert len(tuned.result.trials) == len(tuned.tracked.runs) == 4
    assert tuned.result.recipe.number == 1
    assert tuned.tracked.metrics[-1][1]["trials"] == 4


def test_trials_with_and_without_fine_tuning_are_among_them(tuned):
    passes = {max(epoch.epoch for epoch in trial.epochs) for trial in tuned.result.trials}
    assert passes == {0, 1}
