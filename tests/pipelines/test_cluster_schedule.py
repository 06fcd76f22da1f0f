from types import SimpleNamespace

import pytest
from zenml.config import DockerSettings

from pipelines import cluster_schedule as module
from pipelines.cluster_schedule import cluster_schedule
from quality_gate.errors import UserError


@pytest.mark.parametrize(
    ("every", "cron"),
    [("daily at 02:00", "0 2 * * *"), ("monthly on 1 at 03:00", "0 3 1 * *"), ("hourly", "0 * * * *")],
)
def test_a_cluster_gets_the_same_times_as_a_machine(every, cron):
    schedule = cluster_schedule("nightly", every)
    assert (schedule.name, schedule.cron_expression) == ("nightly", cron)
    assert not schedule.catchup


def test_words_that_are_no_times_are_refused():
    with pytest.raises(ValueError, match="is no time of the calendar"):
        cluster_schedule("nightly", "sometimes")


@pytest.fixture
def server(monkeypatch):
    """ZenML's server, with the stack and the schedules that a test gives it; lists what is submitted."""
    orchestrator = SimpleNamespace(flavor="kubernetes", config=SimpleNamespace(service_account_name="starter"))
    made = SimpleNamespace(active_stack=SimpleNamespace(orchestrator=orchestrator), known=[], submitted=[])
    made.list_schedules = lambda name: SimpleNamespace(items=[one for one in made.known if one.name == name])
    made.delete_schedule = lambda found, soft: made.known.remove(next(one for one in made.known if one.id == found))
    monkeypatch.setattr(module, "Client", lambda: made)
    monkeypatch.setattr(module, "cluster_image", lambda image: DockerSettings(parent_image=f"registry/{image}"))

    def with_options(**options):
        return lambda **parameters: made.submitted.append((options, parameters, list(made.known)))

    monkeypatch.setattr(module.scheduled_start, "with_options", with_options)
    return made


def test_a_schedule_is_submitted_with_the_account_that_may_start_runs_in_place_of_the_former_one(server):
    server.known = [
        SimpleNamespace(name="nightly", id=1, active=True),
        SimpleNamespace(name="other", id=2, active=True),
    ]
    module.install("nightly", "daily at 02:00")
    ((options, parameters, known),) = server.submitted
    assert parameters == {"schedule": "nightly"}
    assert (options["schedule"].name, options["schedule"].cron_expression) == ("nightly", "0 2 * * *")
    assert options["settings"]["orchestrator"] == {"step_pod_service_account_name": "starter"}
    assert [one.name for one in known] == ["other"]


def test_a_stack_that_is_no_clusters_is_one_sentence(server):
    server.active_stack.orchestrator.flavor = "local"
    with pytest.raises(
        UserError, match="--with cluster: the active stack starts pipelines with local, not on a cluster"
    ):
        module.install("nightly", "daily")
    assert server.submitted == []


def test_what_the_cluster_starts_is_asked_of_the_server(server):
    server.known = [SimpleNamespace(name="nightly", id=1, active=True), SimpleNamespace(name="off", id=2, active=False)]
    assert [module.is_installed(name) for name in ("nightly", "off", "never")] == [True, False, False]
    module.remove("nightly")
    assert not module.is_installed("nightly")
