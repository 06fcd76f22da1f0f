from pathlib import Path

import pytest
import yaml

from quality_gate.drift.detection import CLASSES, FEATURES, GROUPS
from quality_gate.drift_settings import DRIFT_DEFAULTS, TESTED_GROUPS, DriftSettings
from quality_gate.errors import UserError
from quality_gate.settings_section import parse_settings

FILE = Path(__file__).resolve().parent.parent / DRIFT_DEFAULTS


def test_the_default_configuration_says_what_the_settings_do():
    parameters = yaml.safe_load(FILE.read_text())["parameters"]
    assert list(parameters) == list(DriftSettings.model_fields)
    assert parameters == DriftSettings().model_dump()


def test_every_key_of_the_default_configuration_stands_below_a_comment():
    lines = FILE.read_text().partition("parameters:\n")[2].splitlines()
    keys = [number for number, line in enumerate(lines) if not line.strip().startswith("#")]
    assert len(keys) == len(DriftSettings.model_fields)
    assert all(lines[number - 1].strip().startswith("# ") for number in keys)


def test_as_many_groups_are_counted_as_are_tested():
    assert len([*GROUPS, CLASSES, FEATURES]) == TESTED_GROUPS


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"ours": 1}, "my.yaml: ours is no setting; check its spelling against pipelines/drift.yaml"),
        ({"hours": 0}, "my.yaml: hours is 0: "),
        ({"photos": 0}, "my.yaml: photos is 0: "),
        ({"min_photos": 10}, "my.yaml: min_photos is 10: "),
        ({"min_photos": 500, "max_photos": 400}, "my.yaml: max_photos is 400: expected min_photos (500) or more"),
        ({"false_alarm_rate": 1}, "my.yaml: false_alarm_rate is 1: "),
        (
            {"resamples": 500},
            "my.yaml: resamples is 500: at a false_alarm_rate of 0.01 nothing could ever ring; expected 600 or more",
        ),
        ({"until": "yesterday"}, "my.yaml: until is 'yesterday': expected a time with its zone, such as '2026-"),
        ({"until": "2026-03-04T06:00:00"}, "my.yaml: until is '2026-03-04T06:00:00': expected a time with its zone"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_file_and_field(values, sentence):
    with pytest.raises(UserError) as caught:
        parse_settings(DriftSettings, values, origin="my.yaml", defaults=DRIFT_DEFAULTS)
    assert caught.value.message.startswith(sentence)


def test_what_may_be_left_open_is_null():
    settings = DriftSettings(hours=None, photos=None, until=None)
    assert (settings.hours, settings.photos, settings.until) == (None, None, None)
