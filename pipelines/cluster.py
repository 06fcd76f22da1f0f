"""Steps in pods of a cluster, where the active stack has ZenML's orchestrator kubernetes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zenml.client import Client
from zenml.config import DockerSettings
from zenml.enums import ExecutionStatus, StackComponentType

from quality_gate.errors import UserError

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse, StepRunResponse

FLAVOR = "kubernetes"
GUIDE = "infra/kubernetes/README.md"
# Clocks of the server and of this machine may differ so much.
_CLOCKS_DIFFER = timedelta(minutes=2)
_NO_IMAGE = re.compile(r"Detected container in state (\w*Image\w*)")
_USER_ERROR = f"{UserError.__module__}.{UserError.__qualname__}"


def cluster_image(image: str) -> DockerSettings:
    """Settings of steps that run from an image of the stack's registry, as it is there.

    Args:
        image: its name without that of the registry.
    """
    (registry,) = Client().active_stack_model.components[StackComponentType.CONTAINER_REGISTRY]
    return DockerSettings(
        parent_image=f"{registry.configuration['uri']}/{image}",
        skip_build=True,
        allow_download_from_artifact_store=False,
        allow_download_from_code_repository=False,
    )


@contextmanager
def explained_run(pipeline: str) -> Iterator[None]:
    """Say in one sentence why a run on a cluster could not begin, or has failed.

    Args:
        pipeline: its name.

    Raises:
        UserError: nothing here speaks with a cluster; or what the step that failed said, where that was a user's
            mistake; else which step it was, why, and what to do.
    """
    # Not above: they take a second to import, and few need them.
    try:
        from kubernetes.config import ConfigException
    except ModuleNotFoundError:
        raise UserError(
            "the active stack is that of a cluster, and nothing here speaks with one; install it: "
            "uv pip install --constraint constraints.txt --editable '.[cluster]'"
        ) from None
    from urllib3.exceptions import HTTPError
    from zenml.orchestrators import PipelineSubmissionError

    since = datetime.now(UTC).replace(tzinfo=None) - _CLOCKS_DIFFER
    try:
        yield
    except PipelineSubmissionError as error:
        raise UserError(f"the cluster does not take the run: {_line(error)}") from None
    except (ConfigException, HTTPError) as error:
        raise UserError(f"the cluster does not answer ({_line(error)}); see {GUIDE}.") from None
    except RuntimeError as error:
        raise UserError(_sentence(str(error), pipeline, since)) from None


def _sentence(reason: str, pipeline: str, since: datetime) -> str:
    if no_image := _NO_IMAGE.search(reason):
        return (
            f"the cluster could not get the image of the run ({no_image[1]}); push it to the registry of the stack, "
            f"and let the namespace pull from there: see {GUIDE}."
        )
    if reason.startswith("Job `") and (failed := _failed_step(pipeline, since)) is not None:
        return step_sentence(failed)
    return f"{_line(reason)} (see {GUIDE})"


def _failed_step(pipeline: str, since: datetime) -> StepRunResponse | None:
    runs: list[PipelineRunResponse] = list(
        Client().list_pipeline_runs(
            pipeline_name=pipeline, created=f"gte:{since:%Y-%m-%d %H:%M:%S}", sort_by="desc:created", size=1
        )
    )
    steps = runs[0].steps.values() if runs else ()
    return next((step for step in steps if step.status == ExecutionStatus.FAILED), None)


def step_sentence(failed: StepRunResponse) -> str:
    """Why a step has failed: its own sentence where it had one, else what is known of its end."""
    found = failed.exception_info
    if found is not None and found.source == _USER_ERROR and found.message:
        return found.message
    if found is not None:
        return f"{failed.name}: {found.traceback.strip().splitlines()[-1]}; its log says more: {_log(failed)}"
    return (
        f"{failed.name}: its pod was ended before it could say why, most often since its memory was used up; see "
        f"`kubectl describe pods --selector step_name={failed.name}`, raise limits.memory of its pod_settings, and run "
        "the same command: it goes on from the cache."
    )


def _log(failed: StepRunResponse) -> str:
    return f"kubectl logs --selector step_name={failed.name} --tail -1"


def _line(reason: object) -> str:
    return " ".join(str(reason).split())
