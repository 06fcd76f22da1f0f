"""What a step knows of the run it is part of."""

import atexit
import shutil
import tempfile
from pathlib import Path

from zenml import get_step_context
from zenml.client import Client
from zenml.utils.time_utils import utc_now

from quality_gate.home import Home, locate
from quality_gate.tracking import ExperimentRun, open_run, tracking_store


def run_name() -> str:
    """Name of the pipeline run."""
    return get_step_context().pipeline_run.name


def tracking_uri() -> str:
    """Address of the stack's MLflow tracking store; without one in the stack, that of :func:`tracking_store`.

    To a server of the stack MLflow is signed in.
    """
    tracker = Client().active_stack.experiment_tracker
    if not hasattr(tracker, "get_tracking_uri"):
        return tracking_store(locate())
    uri = str(tracker.get_tracking_uri())
    if not uri.startswith("sqlite:"):
        # ZenML does so itself only for steps that name a tracker.
        tracker.configure_mlflow()
    return uri


def experiment_run(name: str) -> ExperimentRun:
    """The MLflow run of this pipeline run, in the experiment of the gate called ``name``.

    Whichever step needs it first starts it, with all settings of the run: the steps before may have been cached.
    """
    uri, parameters = tracking_uri(), get_step_context().pipeline_run.config.parameters
    return open_run(uri, local_artifacts(locate(), uri), name, run_name(), parameters or {})


def close_failed_run() -> None:
    """Mark the MLflow run as failed; ZenML calls it when a step has failed."""
    parameters = get_step_context().pipeline_run.config.parameters or {}
    experiment_run(parameters["name"]).finish(succeeded=False)


def report_folder(name: str) -> Path:
    """Where the pages of this run are written, beside the artifacts ZenML keeps."""
    folder = locate().reports(name) / run_name()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def not_to_be_kept() -> None:
    """Have the next run call this step again, whatever its key says."""
    Client().update_step_run(get_step_context().step_run.id, cache_expires_at=utc_now())


def temporary_folder() -> Path:
    """An empty folder that lives until the process ends: ZenML stores what a step returned after the step is over."""
    folder = Path(tempfile.mkdtemp(prefix="quality-gate-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def local_artifacts(home: Home, uri: str) -> Path | None:
    """Where MLflow keeps files when its store is a local database; a tracking server has a place of its own."""
    return home.mlflow / "artifacts" if uri.startswith("sqlite:") else None
