"""Parameters, curves, metrics and files of a run, in MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quality_gate.home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow's own name for the address of its server.
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
# MLflow refuses longer values.
LONGEST_PARAMETER = 6000
# And more of them in one call.
MOST_METRICS = 1000


def tracking_store(home: Home) -> str:
    """The address of MLflow's tracking store and model registry where no stack says it.

    ``MLFLOW_TRACKING_URI`` decides; without it, it is the database in the home.
    """
    return os.environ.get(TRACKING_VARIABLE) or home.mlflow_tracking_uri


class ExperimentRun:
    """One MLflow run, found again by name from every step of a pipeline run.

    Args:
        client: connected to the tracking store.
        run_id: of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def log_parameters(self, values: Mapping[str, Any]) -> None:
        """Record settings; nested mappings become dotted names, cleaned of what MLflow does not allow."""
        from mlflow.entities import Param

        flat = {_allowed(name): str(value)[:LONGEST_PARAMETER] for name, value in flatten(values).items()}
        self._client.log_batch(self.run_id, params=[Param(name, value) for name, value in flat.items()])

    def parameters(self) -> dict[str, str]:
        """The settings that were recorded, as text, by dotted names."""
        return dict(self._client.get_run(self.run_id).data.params)

    def log_metrics(self, values: Mapping[str, float | None], *, step: int = 0) -> None:
        """Record figures; undefined ones (None) are left out. Names are cleaned of what MLflow does not allow."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_allowed(name), value, now, step) for name, value in values.items() if value is not None]
        for start in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(self.run_id, metrics=metrics[start : start + MOST_METRICS])

    def log_tags(self, values: Mapping[str, str]) -> None:
        """Record what the run can be found by."""
        from mlflow.entities import RunTag

        self._client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in values.items()])

    def log_folder(self, folder: Path, name: str) -> str:
        """Keep a copy of a folder with the run.

        Returns:
            The address of the copy.
        """
        self._client.log_artifacts(self.run_id, str(folder), name)
        return f"{self._client.get_run(self.run_id).info.artifact_uri}/{name}"

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a matplotlib figure with the run, as the picture file ``name``."""
        self._client.log_figure(self.run_id, figure, name)

    def nested(self, name: str) -> ExperimentRun:
        """Start a run below this one."""
        experiment = self._client.get_run(self.run_id).info.experiment_id
        tags = {"mlflow.parentRunId": self.run_id}
        return ExperimentRun(self._client, self._client.create_run(experiment, tags=tags, run_name=name).info.run_id)

    def finish(self, *, succeeded: bool) -> None:
        """Close the run."""
        self._client.set_terminated(self.run_id, "FINISHED" if succeeded else "FAILED")


def open_run(
    tracking_uri: str, artifacts: Path | None, experiment: str, run: str, parameters: Mapping[str, Any] | None = None
) -> ExperimentRun:
    """Find the MLflow run called ``run``, or start it.

    Args:
        tracking_uri: of the tracking store.
        artifacts: folder that a new experiment keeps its files in; None leaves it to the tracking server.
        experiment: the gate's name.
        run: name of the pipeline run.
        parameters: to begin a started run with.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    found = client.get_experiment_by_name(experiment)
    location = str(artifacts / experiment) if artifacts else None
    experiment_id = found.experiment_id if found else client.create_experiment(experiment, artifact_location=location)
    if found and found.lifecycle_stage == "deleted":
        client.restore_experiment(experiment_id)
    known = _find_run(client, experiment_id, run)
    if known is not None:
        return ExperimentRun(client, known.info.run_id)
    started = ExperimentRun(client, client.create_run(experiment_id, run_name=run).info.run_id)
    started.log_parameters(parameters or {})
    return started


def find_run(tracking_uri: str, experiment: str, run: str) -> ExperimentRun | None:
    """The MLflow run called ``run``; None where it was never started."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    found = client.get_experiment_by_name(experiment)
    known = _find_run(client, found.experiment_id, run) if found else None
    return ExperimentRun(client, known.info.run_id) if known else None


def _find_run(client: MlflowClient, experiment_id: str, name: str) -> Run | None:
    # MLflow's filters know no way to write a quote within quotes: `_` stands for any one character.
    pattern = re.sub(r"['\"\\]", "_", name)
    runs = client.search_runs([experiment_id], f"attributes.run_name LIKE '{pattern}'")
    return next((run for run in runs if run.info.run_name == name), None)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _allowed(name: str) -> str:
    return "".join(character if character.isalnum() or character in "_-. :/" else "_" for character in name)
