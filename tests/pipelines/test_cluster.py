"""How a run on a cluster ends, as the user sees it."""

import sys
from types import SimpleNamespace

import pytest
from kubernetes.config import ConfigException
from urllib3.exceptions import MaxRetryError
from zenml.enums import ExecutionStatus, StackComponentType
from zenml.models.v2.misc.exception_info import ExceptionInfo
from zenml.orchestrators import PipelineSubmissionError

from pipelines import cluster
from pipelines.cluster import cluster_image, explained_run
from quality_gate.errors import UserError


def step(name, status=ExecutionStatus.COMPLETED, exception=None):
    return SimpleNamespace(name=name, status=status, exception_info=exception)


@pytest.fixture
def server(monkeypatch):
    """ZenML's server, with the runs and the stack that a test gives it."""
    made = SimpleNamespace(runs=[], asked={}, active_stack_model=None)

    def list_pipeline_runs(**asked):
        made.asked = asked
        return made.runs

    made.list_pipeline_runs = list_pipeline_runs
    monkeypatch.setattr(cluster, "Client", lambda: made)
    return made


def failing(error):
    with pytest.raises(UserError) as raised, explained_run("training"):
        raise error
    return raised.value.message


def test_a_users_mistake_in_a_pod_is_the_sentence_it_would_be_here(server):
    told = ExceptionInfo(traceback="…", source="quality_gate.errors.UserError", message="gate: macro F1 is too low.")
    steps = {"split": step("split"), "gate": step("gate", ExecutionStatus.FAILED, told)}
    server.runs = [SimpleNamespace(steps=steps)]
    assert failing(RuntimeError("Job `quality-gate:x` failed: BackoffLimitExceeded")) == "gate: macro F1 is too low."
    assert (server.asked["pipeline_name"], server.asked["size"]) == ("training", 1)


def test_any_other_error_in_a_pod_is_named_with_where_its_log_is(server):
    told = ExceptionInfo(
        traceback="Traceback\n  File\nValueError: bad shape\n", source="builtins.ValueError", message="x"
    )
    server.runs = [SimpleNamespace(steps={"evaluate": step("evaluate", ExecutionStatus.FAILED, told)})]
    said = failing(RuntimeError("Job `quality-gate:x` failed: BackoffLimitExceeded"))
    assert said.startswith(
        "evaluate: ValueError: bad shape; its log says more: kubectl logs --selector step_name=evaluate"
    )


def test_a_pod_that_was_ended_says_what_to_give_it(server):
    server.runs = [SimpleNamespace(steps={"train_transfer": step("train_transfer", ExecutionStatus.FAILED)})]
    said = failing(RuntimeError("Job `quality-gate:x` failed: BackoffLimitExceeded"))
    assert said.startswith("train_transfer: its pod was ended before it could say why")
    assert "limits.memory" in said


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_an_image_that_cannot_be_pulled_is_one_sentence(server, reason):
    said = failing(RuntimeError(f"Job `quality-gate:x` failed: Detected container in state {reason}"))
    assert said.startswith(f"the cluster could not get the image of the run ({reason}); push it to the registry")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            PipelineSubmissionError("Forbidden (403). jobs.batch is forbidden"),
            "the cluster does not take the run: Forb",
        ),
        (
            ConfigException("Service host/port is not set."),
            "the cluster does not answer (Service host/port is not set.)",
        ),
        (MaxRetryError(None, "/apis/batch/v1", "refused"), "the cluster does not answer (None: Max retries exceeded"),
        (
            RuntimeError("Stacks with remote components\n require a remote ZenML server."),
            "Stacks with remote components ",
        ),
    ],
)
def test_a_run_that_cannot_begin_is_one_sentence(server, error, sentence):
    assert failing(error).startswith(sentence)


def test_a_run_without_a_failed_step_says_what_the_cluster_said(server):
    assert failing(RuntimeError("Job `quality-gate:x` failed: DeadlineExceeded")).startswith(
        "Job `quality-gate:x` failed"
    )


def test_steps_run_from_the_image_in_the_registry_of_the_stack_which_is_not_built_anew(server):
    registry = SimpleNamespace(configuration={"uri": "registry.example.com/quality-gate"})
    server.active_stack_model = SimpleNamespace(components={StackComponentType.CONTAINER_REGISTRY: [registry]})
    settings = cluster_image("training:latest")
    assert settings.parent_image == "registry.example.com/quality-gate/training:latest"
    assert settings.skip_build
    assert not settings.allow_download_from_artifact_store


def test_without_what_speaks_with_a_cluster_it_is_one_sentence(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes.config", None)
    assert failing(AssertionError("not reached")).startswith("the active stack is that of a cluster, and nothing here")
