import pytest

from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE
from quality_gate.monitoring.log_settings import VARIABLES, PredictionLogSettings, read_log_settings


def test_without_variables_all_lies_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    settings = read_log_settings({"QUALITY_GATE_DATABASE_URL": "", "PATH": "/bin"})
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/predictions/predictions.db"
    assert settings.outbox == tmp_path / "predictions" / "outbox"
    assert settings.durability == "power_loss"
    assert list(tmp_path.iterdir()) == []


def test_variables_decide(tmp_path):
    settings = read_log_settings(
        {
            "QUALITY_GATE_DATABASE_URL": "postgresql://u:hunter2@h/d",
            "QUALITY_GATE_OUTBOX": str(tmp_path / "outbox"),
            "QUALITY_GATE_OUTBOX_DURABILITY": "process_kill",
            "QUALITY_GATE_OUTBOX_MAX_BYTES": "1000000",
            "QUALITY_GATE_LOG_BATCH_ROWS": "50",
            "QUALITY_GATE_LOG_POLL_SECONDS": "0.1",
            "QUALITY_GATE_LOG_MAX_WAIT_SECONDS": "5",
        }
    )
    assert settings.database_url.get_secret_value() == "postgresql://u:hunter2@h/d"
    assert settings.outbox == tmp_path / "outbox"
    assert (settings.durability, settings.max_bytes, settings.batch_rows) == ("process_kill", 1_000_000, 50)
    assert (settings.poll_seconds, settings.max_wait_seconds) == (0.1, 5.0)
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_the_environment_of_the_process_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_OUTBOX", str(tmp_path))
    assert read_log_settings().outbox == tmp_path


def test_every_setting_has_a_variable():
    assert set(VARIABLES.values()) == set(PredictionLogSettings.model_fields)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QUALITY_GATE_OUTBOX_DURABILITY", "hope"),
        ("QUALITY_GATE_OUTBOX_MAX_BYTES", "many"),
        ("QUALITY_GATE_OUTBOX_MAX_BYTES", "10"),
        ("QUALITY_GATE_LOG_BATCH_ROWS", "0"),
        ("QUALITY_GATE_LOG_POLL_SECONDS", "nan"),
        ("QUALITY_GATE_LOG_MAX_WAIT_SECONDS", "-1"),
    ],
)
def test_an_impossible_value_is_told_with_its_variable(variable, value):
    with pytest.raises(UserError) as caught:
        read_log_settings({variable: value})
    assert caught.value.message.startswith(f"{variable} is '{value}': ")


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "hunter2"])
def test_a_url_of_another_database_is_told_without_repeating_it(url):
    with pytest.raises(UserError) as caught:
        read_log_settings({"QUALITY_GATE_DATABASE_URL": url})
    assert caught.value.message == (
        "QUALITY_GATE_DATABASE_URL: expected sqlite:////folder/file.db or postgresql://user:password@host/database"
    )


def test_the_settings_open_what_they_describe(tmp_path, make_prediction):
    settings = read_log_settings(
        {"QUALITY_GATE_DATABASE_URL": f"sqlite:///{tmp_path}/log.db", "QUALITY_GATE_OUTBOX": f"{tmp_path}/outbox"}
    )
    outbox, shipper = settings.open_outbox(), settings.make_shipper()
    outbox.append([make_prediction()])
    outbox.close()
    shipper.start()
    assert shipper.flush(60.0)
    assert shipper.close(60.0)
    with settings.open_log() as log:
        assert log.count() == 1
