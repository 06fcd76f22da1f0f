import pytest

from bentos.settings import ServiceSettings
from quality_gate.errors import UserError
from quality_gate.monitoring.log_settings import VARIABLES as LOG_VARIABLES
from quality_gate.review.settings import VARIABLES as REVIEW_VARIABLES

KEYS = "first-key-of-belt-1,  second-key-of-belt-1"


def read(**variables):
    return ServiceSettings.from_environment({f"QUALITY_GATE_{name}": value for name, value in variables.items()})


def test_without_variables_the_service_is_open_and_limited():
    settings = ServiceSettings.from_environment({"PATH": "/bin", "QUALITY_GATE_HOME": "/state"})

    assert settings.api_keys == ()
    assert settings.max_body_bytes == 20_000_000
    assert settings.formats == ("JPEG", "PNG", "WEBP")
    assert settings.worker_threads >= 1
    assert settings.costs is None


def test_every_setting_is_read_from_its_variable():
    settings = read(
        API_KEYS=KEYS,
        MAX_UPLOAD_MB="1.5",
        MAX_PIXELS="1000",
        REQUEST_TIMEOUT_S="0.5",
        MAX_CONCURRENCY="2",
        MAX_BATCH="3",
        FORMATS="PNG, BMP",
        THREADS="4",
        COSTS='{"review": 1, "wrong": {"tomato": 25}}',
    )

    assert [key.get_secret_value() for key in settings.api_keys] == ["first-key-of-belt-1", "second-key-of-belt-1"]
    assert settings.max_body_bytes == 1_500_000
    assert (settings.max_pixels, settings.request_timeout_s, settings.max_concurrency) == (1000, 0.5, 2)
    assert (settings.max_batch, settings.formats, settings.worker_threads) == (3, ("PNG", "BMP"), 4)
    assert settings.costs.wrong == {"tomato": 25}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("API_KEYS", "too-short-1234", "16 or more"),
        ("API_KEYS", "a-rather-long-name:short", "16 or more"),
        ("API_KEYS", "with a space in the middle", "16 or more"),
        ("API_KEYS", "schlüssel-mit-umlaut", "16 or more"),
        ("MAX_UPLOAD_MB", "much", "valid number"),
        ("MAX_UPLOAD_MB", "0", "greater than 0"),
        ("MAX_UPLOAD_MB", "nan", "finite"),
        ("MAX_PIXELS", "1e9", "valid integer"),
        ("REQUEST_TIMEOUT_S", "111", "less than or equal to 110"),
        ("MAX_CONCURRENCY", "0", "greater than or equal to 1"),
        ("MAX_BATCH", "-1", "greater than or equal to 1"),
        ("FORMATS", "JPEG,GIF", "GIF; expected some of JPEG"),
        ("FORMATS", ",", "none; expected some of"),
        ("THREADS", "1000", "less than or equal to 256"),
        ("COSTS", "free", "not JSON"),
        ("COSTS", '{"review": 0, "wrong": {}}', "review: Input should be greater than 0"),
        ("COSTS", '{"review": 1, "wrong": {"tomato": -1}}', "wrong.tomato"),
        ("COSTS", '{"review": 1, "wrongs": {}}', "expected {"),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence_that_names_the_variable_and_not_the_value(name, value, reason):
    with pytest.raises(UserError) as caught:
        read(**{name: value})

    sentence = caught.value.message
    assert sentence.startswith(f"QUALITY_GATE_{name}: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert reason in sentence
    assert name != "API_KEYS" or value not in sentence


@pytest.mark.parametrize("misspelt", ["API_KEY", "APIKEYS", "MAX_UPLOAD", "REQUEST_TIMEOUT"])
def test_a_misspelt_variable_is_told_rather_than_passed_over(misspelt):
    with pytest.raises(UserError, match=f"QUALITY_GATE_{misspelt} is no setting of the service; did you mean"):
        read(**{misspelt: "sixteen-characters"})


@pytest.mark.parametrize("variable", [*LOG_VARIABLES, *REVIEW_VARIABLES])
def test_what_other_parts_read_is_not_taken_for_a_misspelling(variable):
    assert ServiceSettings.from_environment({variable: "1"}) == ServiceSettings()


def test_a_key_is_not_shown_where_the_settings_are():
    assert "first-key" not in repr(read(API_KEYS=KEYS))
