from pathlib import Path

import pytest
import yaml

from quality_gate.batch_settings import BATCH_DEFAULTS, BatchSettings
from quality_gate.errors import UserError
from quality_gate.settings_section import parse_settings

FILE = Path(__file__).resolve().parent.parent / BATCH_DEFAULTS


def test_the_default_configuration_says_what_the_settings_do():
    parameters = yaml.safe_load(FILE.read_text())["parameters"]
    assert list(parameters) == list(BatchSettings.model_fields)
    assert parameters == BatchSettings().model_dump()


def test_every_key_of_the_default_configuration_stands_below_a_comment():
    lines = FILE.read_text().partition("parameters:\n")[2].splitlines()
    keys = [number for number, line in enumerate(lines) if not line.strip().startswith("#")]
    assert len(keys) == len(BatchSettings.model_fields)
    assert all(lines[number - 1].strip().startswith("# ") for number in keys)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"sauce": 1}, "my.yaml: sauce is no setting; check its spelling against pipelines/batch_prediction.yaml"),
        ({"source": ""}, "my.yaml: source is '': string should have at least 1 character"),
        ({"source": "s3://user:secret@host/x"}, "my.yaml: source: a URL may not hold credentials; "),
        ({"max_unreadable_share": 2}, "my.yaml: max_unreadable_share is 2: "),
        ({"name": "Über"}, "my.yaml: name is 'Über': expected lower-case letters, "),
        ({"name": "json"}, "my.yaml: name is 'json': expected a name that no Python module has"),
        ({"workers": -1}, "my.yaml: workers is -1: "),
    ],
)
def test_a_mistake_is_one_sentence_that_names_file_and_field(values, sentence):
    with pytest.raises(UserError) as caught:
        parse_settings(BatchSettings, values, origin="my.yaml", defaults=BATCH_DEFAULTS)
    assert caught.value.message.startswith(sentence)
    assert "secret" not in caught.value.message
