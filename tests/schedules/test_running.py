import os
import re
import stat
import threading

import pytest

from quality_gate.errors import UserError
from quality_gate.schedules import running
from quality_gate.schedules.running import ENVIRONMENT_FILE, LOG_FILE, read_environment, run_schedule
from quality_gate.schedules.schedule import LastRun, ScheduleStore
from quality_gate.schedules.webhook import WEBHOOK_VARIABLE


@pytest.fixture
def store(home, schedule):
    made = ScheduleStore(home.schedules)
    made.save(schedule)
    return made


@pytest.fixture
def run(home, store, zenml):
    """Runs the schedule; gives its exit code and what was said."""

    def call(*, if_due=False, alerts=()):
        said = []
        return run_schedule(home, "nightly", if_due=if_due, say=said.append, alerts=alerts), said

    return call


def log(home):
    return (home.schedules / "nightly" / LOG_FILE).read_text().splitlines()


def test_the_pipeline_is_called_where_it_was_installed_with_its_configuration(
    run, store, zenml, schedule, home, tmp_path
):
    from dataclasses import replace

    store.save(replace(schedule, config="/somewhere/my gate.yaml"))
    assert run() == (0, [])
    ((arguments, folder, environment),) = zenml.calls
    assert arguments == ["pipeline", "run", "batch_prediction", "--config", "/somewhere/my gate.yaml"]
    assert folder == str(tmp_path)
    assert environment["QUALITY_GATE_HOME"] == str(home.root)
    assert environment["PATH"].startswith(f"{tmp_path / 'bin'}{os.pathsep}")


def test_a_run_that_succeeds_is_kept_and_logged_but_says_nothing(run, store, home):
    assert run() == (0, [])
    last = store.last_run("nightly")
    assert (last.exit_code, last.error) == (0, "")
    assert last.started <= last.ended
    assert re.search(r"The schedule nightly is done, in \d+ s\.$", log(home)[0])


def test_a_run_that_fails_ends_with_its_exit_code_and_one_line_with_its_error(run, store, zenml, home):
    zenml.will("step evaluate\nError: there is no photo in inbox\n  (a hint)", exit_code=3)
    code, said = run()
    assert code == 3
    assert [re.sub(r"after \d+ s", "after N s", line) for line in said] == [
        "The schedule nightly failed with exit code 3 after N s: Error: there is no photo in inbox "
        f"(its output: {store.at('nightly') / 'output.log'})"
    ]
    assert store.last_run("nightly").error == "Error: there is no photo in inbox"
    assert log(home)[0].endswith(said[0])
    assert "(a hint)" in (store.at("nightly") / "output.log").read_text()


def test_a_run_without_an_error_line_is_told_by_its_last_line(run, zenml):
    zenml.will("working\nKilled\n", exit_code=137)
    assert re.search(r"exit code 137 after \d+ s: Killed \(", run()[1][0])


def test_a_program_that_is_gone_is_a_failed_run(run, store, zenml, programs):
    (programs / "zenml").unlink()
    code, said = run()
    assert code == 127
    assert "No such file or directory" in said[0]
    assert store.last_run("nightly").exit_code == 127


def test_a_folder_that_is_gone_is_a_failed_run(run, store, schedule):
    from dataclasses import replace

    store.save(replace(schedule, folder="/not/there"))
    code, said = run()
    assert code == 127
    assert "/not/there: No such file or directory" in said[0]


def test_a_run_that_is_not_due_does_nothing(run, store, zenml):
    store.save_last_run("nightly", LastRun("9999-01-01T00:00:00"))
    assert run(if_due=True) == (0, [])
    assert zenml.calls == []


def test_a_missed_run_is_caught_up_once(run, zenml):
    assert run(if_due=True) == (0, [])
    assert run(if_due=True) == (0, [])
    assert len(zenml.calls) == 1


def test_a_failed_run_is_not_repeated_before_it_is_due_again(run, zenml):
    zenml.will("Error: no", exit_code=1)
    assert [run(if_due=True)[0] for _ in range(2)] == [1, 0]
    assert len(zenml.calls) == 1


def test_two_runs_at_once_are_one_run_and_one_sentence(run, zenml, store):
    zenml.will("", seconds=3)
    first = threading.Thread(target=run)
    first.start()
    while not zenml.calls:
        first.join(0.01)
    with pytest.raises(UserError) as caught:
        run()
    first.join()
    assert caught.value.message.startswith(f"The schedule nightly is being run by the process {os.getpid()} since ")
    assert caught.value.message.endswith("; wait until it is done, or stop it.")
    assert len(zenml.calls) == 1
    assert store.last_run("nightly").exit_code == 0


def test_a_run_says_that_it_has_begun_before_it_ends(run, zenml, store):
    zenml.will("", seconds=3)
    thread = threading.Thread(target=run)
    thread.start()
    while not zenml.calls:
        thread.join(0.01)
    during = store.last_run("nightly")
    thread.join()
    assert during.ended is during.exit_code is None


def test_metrics_tell_of_the_last_run_and_of_the_last_success(run, store, zenml, schedule, tmp_path):
    from dataclasses import replace

    folder = tmp_path / "metrics"
    folder.mkdir()
    store.save(replace(schedule, metrics_folder=str(folder)))
    run()
    first = (folder / "quality_gate_schedule_nightly.prom").read_text()
    zenml.will("Error: no", exit_code=2)
    run()
    second = (folder / "quality_gate_schedule_nightly.prom").read_text()
    name = '{schedule="nightly",pipeline="batch_prediction"}'
    assert f"quality_gate_schedule_last_exit_code{name} 0\n" in first
    assert f"quality_gate_schedule_last_exit_code{name} 2\n" in second
    success = [line for line in first.splitlines() if line.startswith("quality_gate_schedule_last_success")]
    assert success
    assert success[0] in second
    assert [path.name for path in folder.iterdir()] == ["quality_gate_schedule_nightly.prom"]


def test_a_metric_that_cannot_be_written_is_told_and_changes_nothing_else(run, store, schedule):
    from dataclasses import replace

    store.save(replace(schedule, metrics_folder="/not/there"))
    code, said = run()
    assert code == 0
    assert len(said) == 1
    assert said[0].startswith("The metric of nightly could not be written")


def test_a_failed_run_is_posted_with_the_variables_of_the_closed_file(run, home, zenml, monkeypatch):
    posted = []
    monkeypatch.setattr(running, "post_failure", lambda *message: posted.append(message))
    path = home.schedules / ENVIRONMENT_FILE
    path.write_text(f"# secrets\n{WEBHOOK_VARIABLE}=https://hooks.example/secret\nDATABASE=postgresql://u:p=w@h/d\n")
    path.chmod(0o600)
    run()
    assert posted == []
    assert zenml.calls[0][2]["DATABASE"] == "postgresql://u:p=w@h/d"
    zenml.will("Error: no", exit_code=1)
    run()
    ((url, text, facts),) = posted
    assert url == "https://hooks.example/secret"
    assert "The schedule nightly failed with exit code 1" in text
    assert facts["error"] == "Error: no"
    assert "secret" not in "".join(log(home))


def test_a_webhook_or_an_alert_that_fails_is_told_and_the_others_are_still_called(run, zenml, home, monkeypatch):
    def refuse(*_):
        raise UserError("The webhook did not take the message.")

    def broken(text):
        raise RuntimeError("no alerter today")

    told = []
    monkeypatch.setattr(running, "post_failure", refuse)
    monkeypatch.setenv(WEBHOOK_VARIABLE, "https://hooks.example/secret")
    zenml.will("Error: no", exit_code=1)
    code, said = run(alerts=[broken, told.append])
    assert code == 1
    assert said[1:] == ["The webhook did not take the message.", "An alert could not be sent (no alerter today)."]
    assert len(told) == 1
    assert len(log(home)) == 3


def test_an_open_file_of_secrets_is_a_failed_run(run, home, zenml):
    path = home.schedules / ENVIRONMENT_FILE
    path.write_text("A=b\n")
    path.chmod(0o644)
    code, said = run()
    assert code == 1
    assert f"{path} is open to others; close it with: chmod 600" in said[0]
    assert zenml.calls == []


def test_a_line_that_is_no_variable_is_named(tmp_path):
    path = tmp_path / "environment"
    path.write_text("A=b\n\nexport nothing\n")
    path.chmod(0o600)
    with pytest.raises(UserError, match="line 3: expected NAME=value"):
        read_environment(path)


def test_without_a_file_there_are_no_variables(tmp_path):
    assert read_environment(tmp_path / "environment") == {}


def test_what_is_kept_of_runs_names_no_variable(run, home, zenml, monkeypatch):
    monkeypatch.setenv("SECRET", "hidden-value")
    run()
    files = [path for path in home.schedules.rglob("*") if stat.S_ISREG(path.stat().st_mode)]
    assert files
    assert not any("hidden-value" in path.read_text() for path in files)
