"""Steps in containers: of this machine or of a cluster, as the active stack says."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zenml.client import Client
from zenml.config import DockerSettings
from zenml.enums import StackComponentType

from pipelines import cluster
from pipelines.container_terms import EXPECTED_VARIABLE, expected_here
from pipelines.places import absolute
from quality_gate.data_settings import DEMO
from quality_gate.home import HOME_VARIABLE, Home, locate

TRAINING_IMAGE = "visual-quality-gate-training:latest"
# The image is built by `make` and holds the code.
IMAGE_SETTINGS = DockerSettings(
    parent_image=TRAINING_IMAGE,
    skip_build=True,
    allow_download_from_artifact_store=False,
    allow_download_from_code_repository=False,
)
# What of the environment means the same inside: settings, credentials of places that photos come from, and what
# numerical libraries are told, on which the last digits of a model depend.
PASSED_ON = (
    "QUALITY_GATE_", "AWS_", "OMP_", "OPENBLAS_", "MKL_", "ONEDNN_", "ATEN_", "CUBLAS_", "NPY_", "ZENML_LOGGING_",
    "NO_COLOR",
)  # fmt: skip
# Each container has a configuration of its own, so that none changes that of this machine.
CONTAINER_CONFIGURATION = "/tmp/zenml"  # noqa: S108

Volumes = dict[str, dict[str, str]]


@contextmanager
def in_containers(pipeline: str, places: Iterable[str]) -> Iterator[dict[str, DockerSettings]]:
    """Prepare for steps that run in containers; on another stack nothing changes.

    On this machine a step finds the folder of all state, and what the settings name, under the same paths as outside;
    it may write into the first alone. On a cluster the stack says what it finds.

    Args:
        pipeline: its name.
        places: files and folders that the settings name.

    Yields:
        Settings of the pipeline: none on another stack, where ZenML would say that they are of no use.

    Raises:
        UserError: no Docker engine or no cluster answers, or a step of the run has failed there.
    """
    (orchestrator,) = Client().active_stack_model.components[StackComponentType.ORCHESTRATOR]
    if orchestrator.flavor_name == cluster.FLAVOR:
        with cluster.explained_run(pipeline):
            yield {"docker": cluster.cluster_image(TRAINING_IMAGE)}
        return
    if orchestrator.flavor_name != "local_docker":
        yield {}
        return
    # Not above: few need what these import.
    from zenml.orchestrators.local_docker.local_docker_orchestrator import LocalDockerOrchestrator

    from pipelines.container_engine import Engine, connect

    home = locate()
    engine = Engine(connect(), volumes(home, places), environment(home))
    former = LocalDockerOrchestrator.docker_client
    LocalDockerOrchestrator.docker_client = property(lambda _: engine)  # type: ignore[assignment,method-assign]
    try:
        yield {"docker": IMAGE_SETTINGS}
    finally:
        LocalDockerOrchestrator.docker_client = former  # type: ignore[method-assign]


def volumes(home: Home, places: Iterable[str]) -> Volumes:
    """What of this machine containers see, as Docker takes it."""
    outside = [place for place in map(Path, places) if place.exists() and not place.is_relative_to(home.root)]
    readable: Volumes = {str(place): {"bind": str(place), "mode": "ro"} for place in outside}
    return {**readable, str(home.root): {"bind": str(home.root), "mode": "rw"}}


def environment(home: Home) -> dict[str, str]:
    """Variables of every container."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    own = {
        HOME_VARIABLE: str(home.root),
        "ZENML_CONFIG_PATH": CONTAINER_CONFIGURATION,
        EXPECTED_VARIABLE: expected_here(),
    }
    return {**home.environment(), **passed, **own}


def places_of(settings: object) -> list[str]:
    """Files and folders that the settings of any pipeline name, as absolute paths; a URL among them does no harm.

    A ``.csv`` file stands for its folder, from which its paths start.
    """
    data, transfer = getattr(settings, "data", None), getattr(settings, "transfer", None)
    members = getattr(getattr(settings, "ensemble", None), "members", ())
    weights = [getattr(one, "weights_file", None) for one in (transfer, *members)]
    named = [getattr(settings, "source", None), *weights]
    if data is not None:
        named += [*data.sources, data.reviewed, data.csv.images]
    found = [absolute(str(place)) for place in named if place and place != DEMO]
    return [str(Path(place).parent) if place.endswith(".csv") else place for place in found]
