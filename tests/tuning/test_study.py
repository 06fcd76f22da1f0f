import pytest

from quality_gate.transfer_settings import TransferSettings
from quality_gate.tuning.settings import TuningSettings
from quality_gate.tuning.space import Space
from quality_gate.tuning.study import study_key

DIGESTS = {"data": "a", "split": "b"}


def key(digests=DIGESTS, recipe=None, run_seed=42, **tuning):
    found = TuningSettings(**tuning)
    return study_key(digests, Space.around(recipe or TransferSettings(), found.search, 100), found, run_seed)


def test_more_minutes_and_trials_go_on_with_the_same_study():
    assert key(minutes=5, trials=9) == key()


@pytest.mark.parametrize(
    "change",
    [
        {"digests": DIGESTS | {"data": "c"}},
        {"digests": DIGESTS | {"split": "c"}},
        {"recipe": TransferSettings(patience=3)},
        {"run_seed": 1},
        {"seed": 1},
        {"metric": "brier"},
        {"search": {"mixup": None}},
    ],
)
def test_other_photos_recipes_seeds_metrics_and_ranges_begin_another(change):
    assert key(**change) != key()


def test_what_explains_the_differences_is_found(tuning):
    study, _ = tuning.run(trials=25)
    importance = study.importance()
    assert set(importance.shares) == {"learning_rate", "class_balance"}
    assert sum(importance.shares.values()) == pytest.approx(1)
    assert importance.shares["learning_rate"] > 0.5
    assert importance == study.importance()


def test_few_trials_and_equal_ones_tell_nothing(tuning, another, formula):
    assert tuning.run(trials=3)[0].importance().shares == {}
    assert another.run(formula(another.clock, lambda settings: 0.5), trials=8)[0].importance().shares == {}
