from dataclasses import fields

import pytest

from quality_gate.training.recipe import Recipe, fine_tuning
from quality_gate.transfer_settings import TransferSettings

CHANGED = {
    "finetune_epochs": 7, "learning_rate": 2e-3, "weight_decay": 0.5, "batch_size": 9, "patience": 4,
    "class_balance": "loss", "label_smoothing": 0.2, "focal_gamma": 1.5, "mixup": 0.3, "ema_decay": 0.8,
    "unfreezing": "each_epoch", "find_learning_rate": True, "schedule": "one_cycle",
}  # fmt: skip


def recipe(**settings):
    return fine_tuning(TransferSettings(finetune_min_photos=0, **settings), stages=2, photos=120, seed=3)


def test_every_setting_of_fine_tuning_reaches_the_recipe():
    plain = recipe()

    for name, value in CHANGED.items():
        assert recipe(**{name: value}) != plain, name
    assert (recipe(**CHANGED).rows_per_epoch, recipe(**CHANGED).seed) == (120, 3)


def test_every_field_of_the_recipe_can_be_set():
    plain, changed = recipe(), recipe(**CHANGED)

    same = {field.name for field in fields(Recipe) if getattr(plain, field.name) == getattr(changed, field.name)}
    assert same == {"rows_per_epoch", "seed"}


@pytest.mark.parametrize(("stages", "photos", "epochs"), [(0, 900, 0), (1, 99, 0), (1, 100, 5), (3, 900, 5)])
def test_without_a_stage_to_tune_or_with_few_photos_there_is_no_pass(stages, photos, epochs):
    settings = TransferSettings(finetune_epochs=5, finetune_min_photos=100)

    assert fine_tuning(settings, stages=stages, photos=photos, seed=0).epochs == epochs
