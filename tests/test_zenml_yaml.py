"""The default configuration and the typed settings say the same."""

import re
from pathlib import Path

import pytest
import yaml

from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import Settings

FILE = Path(__file__).resolve().parent.parent / "zenml.yaml"


def leaves(values, prefix=""):
    for key, value in values.items():
        # Names of classes and ranges of a search are no settings.
        if isinstance(value, dict) and key != "label_map" and "low" not in value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def fields(model, prefix=""):
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from fields(field.annotation, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def commented_keys():
    """Every key below ``parameters`` that is set, with the line above it."""
    lines = FILE.read_text().split("parameters:\n")[1].splitlines()
    sections = []
    for above, line in zip(["", *lines], lines, strict=False):
        key = re.match(r"( *)([a-z0-9_]+):(.*)", line)
        if key is None:
            continue
        sections[len(key[1]) // 2 - 1 :] = [key[2]]
        if key[3].strip():
            yield ".".join(sections), above.strip()


@pytest.fixture(scope="module")
def parameters():
    return yaml.safe_load(FILE.read_text())["parameters"]


def test_the_file_has_every_key_of_the_settings_and_no_other(parameters):
    assert [key for key, _ in leaves(parameters)] == list(fields(TrainingSettings))


def test_every_value_is_the_default_of_the_settings(parameters):
    assert dict(leaves(parameters)) == dict(leaves(TrainingSettings().model_dump(mode="json")))


def test_the_file_alone_makes_the_default_settings(parameters):
    assert TrainingSettings.model_validate(parameters) == TrainingSettings()


@pytest.mark.parametrize(("key", "above"), [*commented_keys()])
def test_every_key_stands_below_a_comment_that_explains_it(key, above):
    assert above.startswith("# "), f"{key} has no comment"
    assert len(above) > 20


def test_the_comments_were_looked_for_at_every_key():
    assert [key for key, _ in commented_keys()] == list(fields(TrainingSettings))
