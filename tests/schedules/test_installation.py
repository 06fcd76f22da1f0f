from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest

from quality_gate.errors import UserError
from quality_gate.schedules import installation
from quality_gate.schedules.installation import listed, remove
from quality_gate.schedules.schedule import LastRun, ScheduleStore

install = partial(installation.install, check=lambda pipeline, config: None)


@pytest.fixture
def machine(monkeypatch, programs):
    """Stands in for what starts schedules: keeps by name what was installed."""
    installed = {"systemd": {}, "cron": {}}

    class Starter:
        def __init__(self, kind):
            self.kind = installed[kind]

        def is_available(self):
            return True

        def install(self, schedule, command, home):
            self.kind[schedule.name] = (schedule, command, home)

        def remove(self, name, *home):
            self.kind.pop(name)

        def is_installed(self, name, *home):
            return name in self.kind

    monkeypatch.setattr(installation, "systemd", Starter("systemd"))
    monkeypatch.setattr(installation, "crontab", Starter("cron"))
    return installed


def test_a_pipeline_runs_at_its_usual_times_by_systemd_where_it_is(home, machine, programs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = install(home, "batch_prediction")
    assert (made.name, made.every, made.backend) == ("batch_prediction", "daily at 02:00", "systemd")
    assert made.folder == str(tmp_path)
    ((schedule, command, root),) = machine["systemd"].values()
    assert command == [str(programs / "quality-gate"), "schedule", "run", "batch_prediction"]
    assert (schedule, root) == (made, home.root)


def test_where_there_is_no_systemd_it_is_cron_and_where_there_is_neither_a_sentence(home, machine, monkeypatch):
    monkeypatch.setattr(installation.systemd, "is_available", lambda: False)
    assert install(home, "batch_prediction").backend == "cron"
    monkeypatch.setattr(installation.crontab, "is_available", lambda: False)
    with pytest.raises(UserError, match="Nothing here starts schedules"):
        install(home, "batch_prediction", name="another")


def test_the_same_again_is_due_from_when_it_was_first_installed(home, machine):
    first = install(home, "batch_prediction")
    store = ScheduleStore(home.schedules)
    store.save(replace(first, since="2026-01-01T00:00:00"))
    install(home, "batch_prediction")
    assert store.load("batch_prediction").since == "2026-01-01T00:00:00"
    install(home, "batch_prediction", every="hourly")
    assert store.load("batch_prediction").since >= first.since


def test_another_starter_takes_over(home, machine):
    install(home, "batch_prediction", backend="cron")
    install(home, "batch_prediction", backend="systemd")
    assert machine["cron"] == {}
    assert set(machine["systemd"]) == {"batch_prediction"}


def test_a_pipeline_may_have_several_schedules(home, machine, tmp_path):
    config = tmp_path / "my gate.yaml"
    config.touch()
    install(home, "batch_prediction")
    made = install(home, "batch_prediction", name="my_gate", every="hourly at :15", config=config)
    assert made.config == str(config)
    assert ScheduleStore(home.schedules).names() == ["batch_prediction", "my_gate"]


@pytest.mark.parametrize(
    ("pipeline", "options", "message"),
    [
        ("batch_predictions", {}, "There is no pipeline 'batch_predictions'; expected one of batch_prediction"),
        ("training", {}, "--every is missing: training has no usual times"),
        ("training", {"every": "often"}, "--every: 'often' is no time of the calendar"),
        ("training", {"every": "daily", "name": "My gate"}, "--as is 'My gate'"),
    ],
)
def test_what_is_misspelt_is_told_and_nothing_is_installed(home, machine, pipeline, options, message):
    with pytest.raises(UserError, match=message):
        install(home, pipeline, **options)
    assert machine == {"systemd": {}, "cron": {}}
    assert ScheduleStore(home.schedules).names() == []


def test_a_configuration_that_the_pipeline_cannot_run_with_is_told_and_nothing_is_installed(home, machine, tmp_path):
    config = tmp_path / "my.yaml"
    config.touch()

    def check(pipeline, configuration):
        raise UserError(f"{pipeline} cannot run with {configuration.name}.")

    with pytest.raises(UserError, match=r"drift cannot run with my\.yaml\."):
        install(home, "drift", config=config, check=check)
    assert machine == {"systemd": {}, "cron": {}}
    assert ScheduleStore(home.schedules).names() == []
    install(home, "drift", check=check)


def test_files_and_folders_that_are_not_there_are_told(home, machine, tmp_path):
    with pytest.raises(UserError, match=r"--config: .*my\.yaml is not there; expected a file"):
        install(home, "batch_prediction", config=tmp_path / "my.yaml")
    with pytest.raises(UserError, match=r"--metrics: .*metrics is not there; expected a folder"):
        install(home, "batch_prediction", metrics_folder=tmp_path / "metrics")


def test_removal_leaves_no_trace(home, machine, tmp_path):
    install(home, "batch_prediction", metrics_folder=tmp_path)
    (tmp_path / "quality_gate_schedule_batch_prediction.prom").touch()
    ScheduleStore(home.schedules).save_last_run("batch_prediction", LastRun("2026-03-01T02:00:00"))
    remove(home, "batch_prediction")
    assert machine["systemd"] == {}
    assert list(home.schedules.iterdir()) == []
    assert not (tmp_path / "quality_gate_schedule_batch_prediction.prom").exists()
    with pytest.raises(UserError, match="no schedule 'batch_prediction'"):
        remove(home, "batch_prediction")


def test_a_list_tells_what_runs_next_and_what_is_installed_no_more(home, machine):
    install(home, "batch_prediction")
    install(home, "batch_prediction", name="gone")
    del machine["systemd"]["gone"]
    ScheduleStore(home.schedules).save_last_run("gone", LastRun("2026-03-01T02:00:00"))
    first, second = listed(home, datetime(2026, 3, 4, 12))
    assert (first.next_due, first.last_run) == (datetime(2026, 3, 5, 2), None)
    assert (second.next_due, second.last_run.started) == (None, "2026-03-01T02:00:00")
