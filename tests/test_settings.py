import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.data_settings import DEMO, DataSettings
from quality_gate.errors import UserError
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import Settings, parse_settings
from quality_gate.transfer_settings import MODELS


def parse(values):
    return parse_settings(TrainingSettings, values, origin="my.yaml")


def sentence(values):
    with pytest.raises(UserError) as caught:
        parse(values)
    assert "\n" not in caught.value.message
    return caught.value.message


def nested(dotted, value):
    for key in reversed(dotted.split(".")):
        value = {key: value}
    return value


def fields(model=TrainingSettings, prefix=""):
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from fields(field.annotation, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def value_of(found, dotted):
    for key in dotted.split("."):
        found = getattr(found, key)
    return found


FIELDS = list(fields())
# Sections that may be null, and a value that is one.
OPTIONAL = {
    "calibration.watched_class": {"label": "defect", "min_recall": 0.98},
    "evaluation.cross_validation": {"folds": 5, "repeats": 5},
}
# What says in its own words what it expects.
WORDED = {
    "data.source",
    "data.label_map",
    *OPTIONAL,
    *(field for field in FIELDS if field.startswith("tuning.search.")),
}
SECTIONS = sorted({field.split(".")[0] for field in FIELDS if "." in field})
AT_THE_LIMIT = [
    ("seed", 0), ("seed", 2**32 - 1), ("data.workers", 0), ("data.exclude_suspects", 0),
    ("data.source", "s3://bucket/photos"),
    ("data.csv.separator", "\t"), ("data.csv.encoding", "cp1252"), ("data.csv.images", "s3://bucket/photos"),
    ("data.csv.split_column", None), ("data.missing", "drop"), ("data.min_images_per_class", 0),
    ("data.first_classes", 2), ("data.label_map", {"hat": None, "sock": "stocking"}),
    ("validation.max_unreadable_share", 0),
    ("validation.max_unreadable_share", 1), ("validation.min_photos_per_class", 5), ("split.near_duplicate_bits", 0),
    ("split.near_duplicate_bits", 12), ("baselines.histogram_bins", 2), ("baselines.scratch_size", 32),
    ("transfer.size", 32), ("transfer.size", 512), ("transfer.finetune_epochs", 0), ("transfer.augmented_views", 0),
    ("transfer.learning_rate", 1), ("transfer.finetune_stages", 0),
    ("transfer.finetune_min_photos", 0), ("transfer.finetune_stages", None),
    ("transfer.unfreezing", "on_plateau"), ("transfer.class_balance", "both"), ("transfer.label_smoothing", 0),
    ("transfer.ema_decay", 0.9999), ("transfer.mixup", 10),
    ("transfer.focal_gamma", 10), ("transfer.weight_decay", 0), ("transfer.batch_size", 2), ("transfer.patience", 1),
    ("transfer.model", "resnet18"), ("transfer.model", "compact_cnn/8"), ("transfer.weights_file", "w.pth"),
    ("transfer.fallback_below", None), ("ensemble.weights", None), ("evaluation.bootstrap_resamples", 100),
    ("evaluation.worst_errors", 0), ("gate.min_macro_f1", 0), ("gate.min_macro_f1", 1), ("gate.max_brier", 2),
    ("gate.min_margin_over_baselines", -1), ("gate.non_inferiority_margin", 0), ("gate.max_coverage_loss", 1),
    ("gate.replace_champion_with_other_classes", True), ("gate.min_watched_recall", None),
    ("serving.quantisation_aware_epochs", 100), ("transfer.tensorboard", True),
]  # fmt: skip
BEYOND_THE_LIMIT = [
    ("seed", -1), ("seed", 2**32), ("seed", 1.5), ("data.source", ""), ("data.source", []),
    ("evaluation.cross_validation.folds", 1), ("evaluation.cross_validation.repeats", 0),
    ("data.source", ["photos", 3]), ("data.workers", -1), ("data.exclude_suspects", -1),
    ("data.csv.file_column", ""), ("data.csv.separator", ";;"), ("data.csv.separator", ""),
    ("data.csv.encoding", "utf-9"), ("data.csv.encoding", "rot13"), ("data.csv.images", ""), ("data.missing", "skip"),
    ("data.min_images_per_class", -1), ("data.first_classes", 1), ("data.label_map", ["hat"]),
    ("data.label_map", {"hat": " "}),
    ("validation.suite", "../secret"), ("validation.max_unreadable_share", 1.01),
    ("validation.min_photos_per_class", 4), ("split.validation_share", 0), ("split.calibration_share", 1),
    ("split.test_share", "a fifth"), ("split.near_duplicate_bits", 13), ("baselines.histogram_bins", 1),
    ("baselines.scratch_size", 31), ("baselines.scratch_epochs", 0), ("transfer.model", "resnet99"),
    ("transfer.size", 31), ("transfer.views", ()),
    ("transfer.training_views", ("crop", "crop")), ("transfer.finetune_epochs", -1),
    ("transfer.learning_rate", 0), ("transfer.model", "timm:"), ("transfer.model", "timm:a/b"),
    ("transfer.finetune_stages", -1),
    ("transfer.finetune_min_photos", -1), ("transfer.unfreezing", "slowly"), ("transfer.class_balance", "all"),
    ("transfer.label_smoothing", 1), ("transfer.ema_decay", 1), ("transfer.mixup", -0.1),
    ("transfer.focal_gamma", -1), ("transfer.batch_size", 1), ("transfer.patience", 0), ("transfer.threads", -1),
    ("calibration.alpha", 0), ("calibration.alpha", 1), ("calibration.delta", 1.5),
    ("evaluation.bootstrap_resamples", 99), ("evaluation.worst_errors", 201), ("gate.min_macro_f1", 80),
    ("gate.min_macro_f1", math.nan), ("gate.max_brier", 2.1), ("gate.max_model_mb", 0),
    ("gate.max_latency_ms", math.inf),
    ("gate.min_margin_over_baselines", 1.1), ("gate.non_inferiority_margin", -0.01), ("gate.max_coverage_loss", -0.1),
    ("gate.replace_champion_with_other_classes", "perhaps"),
    ("serving.quantisation_aware_epochs", -1), ("serving.quantisation_aware_epochs", 101),
]  # fmt: skip


def test_nothing_given_means_the_defaults():
    assert parse({}) == TrainingSettings()


@pytest.mark.parametrize("field", FIELDS)
def test_a_misspelt_key_is_named_with_its_section(field):
    message = sentence(nested(f"{field}x", 1))
    assert message == f"my.yaml: {field}x is no setting; check its spelling against zenml.yaml"


@pytest.mark.parametrize("field", [field for field in FIELDS if field not in WORDED])
def test_a_value_of_another_kind_is_named_with_its_key_and_what_was_expected(field):
    message = sentence(nested(field, {"twelve": 12}))
    assert message.startswith(f"my.yaml: {field} is {{'twelve': 12}}: input should be ")


def test_an_unknown_view_is_named_with_its_place_and_those_there_are():
    message = sentence(nested("transfer.views", ["crop", "zoom"]))
    assert message.startswith("my.yaml: transfer.views.1 is 'zoom': input should be 'crop', 'squash', ")


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("value", ["demo", None, 3, ["source"]])
def test_a_section_that_is_no_mapping_is_named(section, value):
    expected = f"my.yaml: {section} is {value!r}: expected a mapping of settings, as in zenml.yaml"
    assert sentence({section: value}) == expected


@pytest.mark.parametrize(("field", "value"), AT_THE_LIMIT)
def test_a_value_at_its_limit_is_taken(field, value):
    assert value_of(parse(nested(field, value)), field) == value


@pytest.mark.parametrize(("field", "value"), BEYOND_THE_LIMIT)
def test_an_impossible_value_is_named_with_its_key_and_what_was_expected(field, value):
    message = sentence(nested(field, value))
    start = f"my.yaml: {field} is {value!r}: "
    assert message.startswith(start)
    assert len(message) > len(start) + 10


def test_every_mistake_is_told_at_once():
    message = sentence({"data": {"sourec": "photos"}, "gate": {"max_brier": 3}, "sed": 1})
    assert "data.sourec is no setting" in message
    assert "gate.max_brier is 3" in message
    assert "sed is no setting" in message


def test_a_key_that_would_break_the_line_does_not():
    assert sentence({"see\nd": 1}) == "my.yaml: 'see\\nd' is no setting; check its spelling against zenml.yaml"


def test_shares_that_leave_too_little_to_train_on_are_told():
    message = sentence({"split": {"validation_share": 0.3, "calibration_share": 0.4}})
    assert message.startswith("my.yaml: split is {'validation_share': 0.3, 'calibration_share': 0.4}: ")
    assert "may not exceed 0.6" in message


@pytest.mark.parametrize("name", ["visual_quality_gate", "a", "7", "tomato-ripeness", "a" * 63])
def test_a_name_that_can_name_a_bento_is_taken(name):
    assert parse({"name": name}).name == name


@pytest.mark.parametrize(
    "name", ["", "Tomato", "a b", "a.b", "a/b", "../a", "-a", "a_", "é", "a" * 64, "a\n", "a'b", 7]
)
def test_a_name_that_cannot_name_a_bento_is_told(name):
    assert f"my.yaml: name is {name!r}: " in sentence({"name": name})


@pytest.mark.parametrize("name", ["json", "sys", "quality_gate", "bentos", "torch", "training"])
def test_a_name_that_would_be_imported_instead_of_served_is_told(name):
    assert sentence({"name": name}) == f"my.yaml: name is {name!r}: expected a name that no Python module has"


def test_the_name_of_a_pipeline_that_stands_in_place_of_its_module_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "training", object())

    assert sentence({"name": "training"}) == "my.yaml: name is 'training': expected a name that no Python module has"


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=70))
def test_whatever_name_is_taken_is_a_single_plain_folder(name):
    try:
        taken = parse({"name": name}).name
    except UserError:
        return
    assert taken.isascii()
    assert not set(taken) & set("/\\. \n'\"")


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*SECTIONS, "name", "seed"]), st.text(max_size=5)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=4,
    )
)
def test_whatever_a_file_holds_ends_in_settings_or_in_one_sentence(values):
    try:
        assert isinstance(parse(values), TrainingSettings)
    except UserError:
        assert sentence(values).startswith("my.yaml: ")


def test_a_number_that_yaml_takes_for_text_is_taken_for_a_number():
    assert parse({"transfer": {"learning_rate": "1e-4"}}).transfer.learning_rate == 1e-4


def test_settings_cannot_be_changed_once_made():
    with pytest.raises(ValueError, match="frozen"):
        TrainingSettings().seed = 1


def test_equal_settings_have_equal_digests_and_any_change_shows():
    digests = {parse(values).digest for values in ({}, {"seed": 42}, {"gate": {"min_macro_f1": 0.8}})}
    assert digests == {TrainingSettings().digest}
    assert parse({"gate": {"min_macro_f1": 0.81}}).digest not in digests


def test_one_source_or_several_are_taken():
    assert DataSettings().sources == (DEMO,)
    assert DataSettings(source="photos").sources == ("photos",)
    assert DataSettings(source=["photos", "s3://bucket/more", "labels.csv"]).sources == (
        "photos", "s3://bucket/more", "labels.csv",
    )  # fmt: skip


def test_settings_come_back_from_json_as_they_were():
    made = parse({"data": {"source": ["a", "b"], "label_map": {"hat": None}, "csv": {"separator": "\t"}}})
    assert TrainingSettings.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize("field", ["data.source", "data.csv.images"])
def test_credentials_in_a_url_are_refused_and_not_repeated(field):
    message = sentence(nested(field, "s3://key:secret@bucket/photos"))
    assert message == f"my.yaml: {field}: a URL may not hold credentials; put them into the environment"
    assert "secret" not in sentence({"data": {"source": ["photos", "ftp://me:secret@host/photos"]}})


@pytest.mark.parametrize(
    ("given", "told"),
    [({False: "x"}, "put False into quotes"), ({1: "x"}, "put 1 into quotes"), ({"a": True}, "put True into quotes")],
)
def test_names_of_classes_that_yaml_takes_for_something_else_are_told(given, told):
    assert sentence(nested("data.label_map", given)).endswith(told)


def test_every_model_that_can_be_set_is_in_the_zoo():
    from quality_gate.models.zoo import architecture

    assert [architecture(name).name for name in MODELS] == list(MODELS)
    with pytest.raises(UserError, match=f"the zoo has {', '.join(MODELS)}, and timm:NAME"):
        architecture("another")


@pytest.mark.parametrize("name", ["timm:resnet50", "timm:vit_small_patch14_dinov2.lvd142m"])
def test_any_name_of_timm_is_left_to_timm(name):
    assert parse({"transfer": {"model": name}}).transfer.model == name


def test_a_model_that_is_nearly_one_of_the_zoo_is_told_with_that():
    assert "expected one of compact_cnn, " in sentence({"transfer": {"model": "resnet-18"}})
    assert sentence({"transfer": {"model": "resnet-18"}}).endswith("; resnet18 is near it")


def test_members_have_what_they_do_not_say_from_transfer_but_for_what_is_of_its_network_alone():
    transfer = {"size": 160, "learning_rate": 0.002, "weights_file": "own.pth", "fallback": ["resnet50"]}
    members = [{"model": "resnet18"}, {"model": "compact_cnn/4", "learning_rate": 0.003}]
    found = parse({"transfer": transfer, "ensemble": {"members": members}}).ensemble.members
    assert [(one.model, one.size, one.learning_rate) for one in found] == [
        ("resnet18", 160, 0.002), ("compact_cnn/4", 160, 0.003),
    ]  # fmt: skip
    assert {(one.weights_file, one.fallback) for one in found} == {(None, ())}


def test_an_ensemble_comes_back_from_json_as_it_was():
    made = parse({"transfer": {"size": 96}, "ensemble": {"members": [{"model": "resnet18"}], "weights": [0.7, 0.3]}})
    assert TrainingSettings.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"ensemble": {"members": [{"size": 64}]}}, "64 pixels (crop); expected size and views of transfer"),
        ({"ensemble": {"members": [{"views": ["squash"]}]}}, "224 pixels (squash); expected size and views"),
        (
            {"ensemble": {"members": [{}]}, "evaluation": {"cross_validation": {}}},
            "cross_validation measures a single network; expected ensemble.members: [], or",
        ),
        (
            {"ensemble": {"members": [{}]}, "serving": {"quantisation_aware_epochs": 1}},
            "quantisation_aware_epochs trains a single network; expected ensemble.members: [], or",
        ),
        ({"ensemble": {"members": [{}], "weights": [1.0]}}, "ensemble.weights: expected 2 of them"),
        ({"transfer": {"fallback": ["efficientnet_lite0"]}}, "expected networks other than efficientnet_lite0"),
        ({"transfer": {"fallback": ["compact_cnn"]}}, "expected networks with published weights"),
        ({"transfer": {"fallback_below": 0.8}}, "fallback_below needs a network in fallback to go on to"),
        ({"ensemble": {"members": [{"model": "resnet-18"}]}}, "ensemble.members.0.model is 'resnet-18'"),
        ({"ensemble": {"members": ["resnet18"]}}, "ensemble.members.0 is 'resnet18': expected a mapping"),
    ],
)
def test_networks_that_do_not_go_together_are_told_in_one_sentence(values, told):
    assert told in sentence(values)
    assert len(sentence(values)) < 300


@pytest.mark.parametrize(("section", "values"), OPTIONAL.items())
def test_a_section_that_may_be_null_takes_its_own_keys_and_no_other(section, values):
    assert value_of(parse({}), section) is None
    assert value_of(parse(nested(section, values)), section).model_dump() == values
    assert f"{section}.colour is no setting" in sentence(nested(section, values | {"colour": 1}))
    for key in values:
        assert sentence(nested(section, values | {key: -1})).startswith(f"my.yaml: {section}.{key} is -1: ")
