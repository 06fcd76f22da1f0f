"""Paths in the settings are meant from where the command was typed; what is no path stays as it is."""

import pytest

from pipelines.wiring import with_absolute_paths
from quality_gate.settings import TrainingSettings


@pytest.fixture
def absolute(tmp_path, monkeypatch):
    """The data section after paths were made absolute, from a folder called ``here``."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda **data: with_absolute_paths(TrainingSettings.model_validate({"data": data})).data


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("demo", "demo"),
        ("photos", "{here}/photos"),
        ("/data/photos", "/data/photos"),
        ("labels.csv", "{here}/labels.csv"),
        ("s3://bucket/photos", "s3://bucket/photos"),
    ],
)
def test_a_source_is_absolute_alone_and_among_others(absolute, tmp_path, source, expected):
    expected = expected.format(here=tmp_path / "here")
    assert absolute(source=source).source == expected
    assert absolute(source=["other", source]).source == (f"{tmp_path}/here/other", expected)


def test_a_tilde_is_the_users_home(absolute, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute(source="~/photos").source == f"{tmp_path}/photos"


@pytest.mark.parametrize(
    ("images", "expected"), [(None, None), ("images", "{here}/images"), ("s3://bucket/images", "s3://bucket/images")]
)
def test_the_folder_of_a_csv_file_is_absolute(absolute, tmp_path, images, expected):
    found = absolute(csv={"images": images, "suffix": ".jpg"}).csv
    assert found.images == (expected and expected.format(here=tmp_path / "here"))
    assert found.suffix == ".jpg"
