import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from quality_gate.errors import UserError
from quality_gate.transfer_settings import TransferSettings
from quality_gate.tuning.settings import SearchSettings
from quality_gate.tuning.space import Space

NOTHING = dict.fromkeys(SearchSettings.model_fields)


def space(recipe=None, photos=3000, **search):
    found = SearchSettings.model_validate(NOTHING | search) if search else SearchSettings()
    return Space.around(recipe or TransferSettings(), found, photos)


def drawn(space, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    return space.suggest(study.ask())


@pytest.fixture(autouse=True, scope="module")
def silent():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


RECIPES = [
    TransferSettings(),
    TransferSettings(learning_rate=0.5, batch_size=7, augmented_views=9, ema_decay=0.3, mixup=2.0),
    TransferSettings(training_views=("letterbox",), weight_decay=0.0123456, finetune_min_photos=77),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_recipe_is_a_point_of_the_space_also_where_it_lies_outside_of_the_ranges(recipe):
    whole = space(recipe)
    assert whole.suggest(FixedTrial(whole.recipe_parameters())) == recipe


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from(RECIPES), st.sampled_from([50, 3000]))
def test_whatever_is_drawn_are_possible_settings_within_the_ranges(seed, recipe, photos):
    whole = space(recipe, photos)
    found = drawn(whole, seed)
    assert TransferSettings.model_validate(found.model_dump()) == found
    assert found.model_copy(update={name: getattr(recipe, name) for name in whole.dimensions}) == recipe
    rates = whole.dimensions["learning_rate"]
    assert rates.low <= found.learning_rate <= rates.high


def test_numbers_are_short_enough_to_be_read():
    rates = {drawn(space(label_smoothing={"low": 0, "high": 0.2}), seed).label_smoothing for seed in range(9)}
    assert len(rates) > 5
    assert all(len(f"{rate:.6g}") <= len("0.0123") for rate in rates)


def test_what_only_fine_tuning_heeds_is_drawn_only_with_fine_tuning():
    few = space(photos=50, augmented_views=[0, 1], finetune_min_photos=[0, 2000], mixup=[0.0, 0.4])
    head = {"augmented_views": 1, "finetune_min_photos": 2000, "mixup": 0.4}
    assert few.suggest(FixedTrial(head)).mixup == 0
    assert few.suggest(FixedTrial(head | {"finetune_min_photos": 0})).mixup == 0.4


@pytest.mark.parametrize(
    ("recipe", "search", "told"),
    [
        ({"weight_decay": 0}, {"weight_decay": {"low": 1e-6, "high": 1e-2, "log": True}}, "cannot hold the 0 of"),
        ({}, {"finetune_stages": {"low": 1, "high": 3}}, "transfer.finetune_stages is null; list the values"),
    ],
)
def test_a_range_that_cannot_hold_the_recipe_is_told(recipe, search, told):
    with pytest.raises(UserError, match=told):
        space(TransferSettings(**recipe), **search)
