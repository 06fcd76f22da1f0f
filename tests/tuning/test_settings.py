import pytest

from quality_gate.errors import UserError
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings
from quality_gate.tuning.settings import Range, SearchSettings


def parse(**tuning):
    return parse_settings(TrainingSettings, {"tuning": tuning}, origin="my.yaml").tuning


def sentence(**tuning):
    with pytest.raises(UserError) as caught:
        parse(**tuning)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_range_and_a_list_are_taken():
    search = parse(search={"learning_rate": {"low": "1e-5", "high": 0.01, "log": True}, "batch_size": [8, 16]}).search
    assert search.learning_rate == Range(low=1e-5, high=0.01, log=True)
    assert search.batch_size == (8, 16)


def test_null_leaves_a_setting_to_the_recipe():
    assert "mixup" in parse().search.dimensions()
    assert "mixup" not in parse(search={"mixup": None}).search.dimensions()


def test_sets_of_views_are_lists_of_lists():
    search = parse(search={"training_views": [["crop"], ["crop", "squash"]]}).search
    assert search.training_views == (("crop",), ("crop", "squash"))


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("learning_rate", {"low": 0.1, "high": 0.01}, "low has to lie below high"),
        ("learning_rate", {"low": 0.1, "high": 0.1}, "low has to lie below high"),
        ("mixup", {"low": 0, "high": 1, "log": True}, "a logarithmic range has to begin above 0"),
        ("learning_rate", {"low": 0.1}, "high is {'low': 0.1}: field required"),
        ("learning_rate", {"low": "few", "high": 1}, "low is 'few': input should be a valid number"),
        ("learning_rate", {"low": 0, "high": 1}, "learning_rate is 0.0: input should be greater than 0"),
        ("augmented_views", {"low": 0.5, "high": 2}, "augmented_views is 0.5: input should be a valid integer"),
        ("augmented_views", {"low": 0, "high": 99}, "augmented_views is 99.0: input should be less than or equal"),
        ("class_balance", {"low": 0, "high": 1}, "class_balance is 0.0: input should be 'sampler', "),
        ("find_learning_rate", {"low": 0, "high": 1}, "find_learning_rate has no numbers; expected a list of values"),
        ("class_balance", ["sampler", "all"], "class_balance is 'all': input should be 'sampler', "),
        ("batch_size", [], "expected one value or more, each once"),
        ("batch_size", [8, 8], "expected one value or more, each once"),
        ("batch_size", 8, "expected a range such as {low: 0.1, high: 0.5}, or a list of values"),
        ("training_views", ["crop"], "training_views is 'crop': input should be a valid tuple"),
    ],
)
def test_an_impossible_range_is_named_with_what_was_expected(name, given, told):
    assert sentence(search={name: given}).startswith(f"my.yaml: tuning.search.{name} is {given!r}: {told}")


def test_an_unknown_setting_is_named():
    message = sentence(search={"learnin_rate": [0.1]})
    assert message == "my.yaml: tuning.search.learnin_rate is no setting; check its spelling against zenml.yaml"


@pytest.mark.parametrize(
    ("name", "value"), [("minutes", 0), ("minutes", -1), ("trials", 0), ("metric", "accuracy"), ("seed", -1)]
)
def test_an_impossible_budget_is_named(name, value):
    assert sentence(**{name: value}).startswith(f"my.yaml: tuning.{name} is {value!r}: input should be ")


def test_a_search_for_nothing_is_told():
    assert "nothing is left to look for" in sentence(search=dict.fromkeys(SearchSettings.model_fields))


def test_the_defaults_are_possible_values():
    defaults = SearchSettings()
    assert SearchSettings.model_validate(defaults.model_dump()) == defaults
