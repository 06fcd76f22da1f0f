"""What containers get to see of this machine."""

import pytest

from pipelines.container_terms import EXPECTED_VARIABLE
from pipelines.containers import environment, places_of, volumes
from quality_gate.batch_settings import BATCH_DEFAULTS, BatchSettings
from quality_gate.home import Home
from quality_gate.settings import TrainingSettings
from quality_gate.settings_section import parse_settings


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def settings_of(**sections):
    return parse_settings(TrainingSettings, sections, origin="settings")


def test_state_may_be_written_and_photos_only_read_both_under_their_own_paths(home, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    assert volumes(home, [str(photos)]) == {
        str(photos): {"bind": str(photos), "mode": "ro"},
        str(home.root): {"bind": str(home.root), "mode": "rw"},
    }


def test_what_is_nowhere_on_this_machine_or_in_the_state_is_not_mounted(home):
    inside = home.root / "weights"
    inside.mkdir()
    assert list(volumes(home, ["s3://bucket/photos", "/no/such/folder", str(inside)])) == [str(home.root)]


def test_the_places_of_a_training_are_its_sources_its_tables_folders_and_its_weights():
    data = {"source": ["/a/photos", "/b/photos.csv"], "reviewed": "/c/labels.csv", "csv": {"images": "/d"}}
    settings = settings_of(data=data, transfer={"weights_file": "/e/network.safetensors"})
    assert sorted(places_of(settings)) == ["/a/photos", "/b", "/c", "/d", "/e/network.safetensors"]


def test_the_demo_photos_are_no_place():
    assert places_of(settings_of()) == []


def test_the_place_of_a_batch_is_its_source_from_where_the_command_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = parse_settings(BatchSettings, {"source": "belt"}, origin="settings", defaults=BATCH_DEFAULTS)
    assert places_of(settings) == [str(tmp_path / "belt")]


def test_containers_get_the_settings_and_credentials_but_not_the_rest_of_the_environment(home, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_DATABASE_URL", "postgresql://host/log")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("ZENML_CONFIG_PATH", "/outside")
    monkeypatch.setenv("SOMETHING_ELSE", "secret")
    given = environment(home)
    assert given["QUALITY_GATE_DATABASE_URL"] == "postgresql://host/log"
    assert given["AWS_ACCESS_KEY_ID"] == "key"
    assert given["QUALITY_GATE_HOME"] == str(home.root)
    assert given["BENTOML_HOME"] == str(home.bentos)
    assert given[EXPECTED_VARIABLE]
    assert "SOMETHING_ELSE" not in given


def test_numerical_libraries_are_told_the_same_inside_for_the_same_model(home, monkeypatch):
    told = {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell", "MKL_CBWR": "AVX2"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert told.items() <= environment(home).items()


def test_a_container_never_writes_the_configuration_of_this_machine(home):
    assert not environment(home)["ZENML_CONFIG_PATH"].startswith(str(home.root))
