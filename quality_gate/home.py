"""Where all state lives: one folder, found again from any directory."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "QUALITY_GATE_HOME"

_CHECKOUT = Path(__file__).resolve().parent.parent
_OWN_HOME = _CHECKOUT / ".quality_gate"


@dataclass(frozen=True)
class Home:
    """The folder of all state; deleting it forgets everything that was ever trained.

    Attributes:
        root: absolute path of the folder.
    """

    root: Path

    @property
    def zenml(self) -> Path:
        """ZenML's configuration, its SQLite store and the local artifact store."""
        return self.root / "zenml"

    @property
    def mlflow(self) -> Path:
        """MLflow's database (``mlflow.db``) and artifacts."""
        return self.root / "mlflow"

    @property
    def mlflow_tracking_uri(self) -> str:
        """The SQLite address of MLflow's tracking store and model registry."""
        return f"sqlite:///{self.mlflow / 'mlflow.db'}"

    @property
    def bentos(self) -> Path:
        """The Bento store (``BENTOML_HOME``)."""
        return self.root / "bentos"

    @property
    def demo_photos(self) -> Path:
        """The generated market scenes a user without photos trains on."""
        return self.root / "demo_photos"

    @property
    def weights(self) -> Path:
        """Pretrained weight files: downloaded ones, and those a closed site puts here by hand."""
        return self.root / "weights"

    @property
    def ingested(self) -> Path:
        """What is known of photos that were ingested before; without it the next ingest reads them all again."""
        return self.root / "ingested"

    @property
    def working(self) -> Path:
        """Folders of running processes, on the file system of the artifacts, so that files move without copying."""
        return self.root / "working"

    @property
    def features(self) -> Path:
        """What frozen backbones saw of photos, and the backbones in the form that runs them."""
        return self.root / "features"

    @property
    def checkpoints(self) -> Path:
        """States of unfinished trainings."""
        return self.root / "checkpoints"

    @property
    def predictions(self) -> Path:
        """The SQLite file of the prediction log, where no other database is named."""
        return self.root / "predictions" / "predictions.db"

    @property
    def outbox(self) -> Path:
        """Answers that wait for the prediction log."""
        return self.root / "predictions" / "outbox"

    @property
    def review_photos(self) -> Path:
        """Photos that people are to look at, or have looked at."""
        return self.root / "review_photos"

    @property
    def inbox(self) -> Path:
        """Where photos are put that wait for an answer."""
        return self.root / "inbox"

    @property
    def inbox_done(self) -> Path:
        """Photos of the inbox that were answered, a folder a day."""
        return self.root / "inbox_done"

    @property
    def inbox_quarantine(self) -> Path:
        """Files of the inbox that could not be used as photos."""
        return self.root / "inbox_quarantine"

    @property
    def schedules(self) -> Path:
        """Pipelines that run by themselves, a folder each, and what came of it."""
        return self.root / "schedules"

    def batches(self, name: str) -> Path:
        """What came of batches of photos that the gate called ``name`` answered, one folder a run."""
        return self.root / "batches" / name

    @property
    def evidently(self) -> Path:
        """Evidently's workspace: a run a drift window, a project a gate."""
        return self.root / "evidently"

    def drift(self, name: str) -> Path:
        """What came of the drift runs of the gate called ``name``, one folder a run."""
        return self.root / "drift" / name

    def tuning(self, name: str) -> Path:
        """What was tried in tuning the gate called ``name``, one file a study."""
        return self.root / "tuning" / name

    def tensorboard(self, name: str) -> Path:
        """Curves of the trainings of the gate called ``name``, one folder a run."""
        return self.root / "tensorboard" / name

    def operational(self, name: str) -> Path:
        """Photos of its operation that people have labelled, of the gate called ``name``."""
        return self.root / "operational" / name

    def reports(self, name: str) -> Path:
        """The report pages of the gate called ``name``, one folder a run."""
        return self.root / "reports" / name

    def registry(self, name: str) -> Path:
        """The ledger of the gate called ``name``."""
        return self.root / "registry" / name

    def environment(self) -> dict[str, str]:
        """The variables that make libraries keep their state here and send nothing home."""
        return {
            "ZENML_CONFIG_PATH": str(self.zenml),
            "BENTOML_HOME": str(self.bentos),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "BENTOML_DO_NOT_TRACK": "true",
            # From 1.29 on ONNX Runtime reports what models run to its maker unless this is set before it is imported.
            "ORT_DISABLE_TELEMETRY": "1",
            "GX_ANALYTICS_ENABLED": "false",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            # Threads that wait for others of their group sleep: on a busy machine they would take its time from them.
            "OMP_WAIT_POLICY": "PASSIVE",
        }


def locate() -> Home:
    """Find the folder of all state.

    ``QUALITY_GATE_HOME`` decides; without it, it is ``.quality_gate`` beside the ``quality_gate`` package, so
    that a checkout carries its own state wherever it is called from.

    Raises:
        UserError: ``QUALITY_GATE_HOME`` names a file.
    """
    root = _configured_root()
    if _is_file(root):
        # Here, so that every start of Python that sets the environment stays quick.
        from quality_gate.errors import UserError

        raise UserError(f"{HOME_VARIABLE}={root} is a file; name a folder that may hold the state.")
    return Home(root)


def use_home() -> None:
    """Point ZenML and BentoML at the home, except where the environment already says otherwise.

    Runs whenever Python starts, where an error would be a stack trace: a home that is a file is left to the commands
    that need one to tell.
    """
    root = _configured_root()
    os.environ.setdefault("ZENML_REPOSITORY_PATH", str(_CHECKOUT))
    os.environ.setdefault("ZENML_REPOSITORY_DIRECTORY_NAME", _active_stack_folder(root))
    if _is_file(root):
        return
    for name, value in Home(root).environment().items():
        os.environ.setdefault(name, value)
    if "NO_COLOR" in os.environ or sys.stderr is None or not sys.stderr.isatty():
        # A file or a pipe would show colours as escape codes.
        os.environ.setdefault("ZENML_LOGGING_COLORS_DISABLED", "true")


def _active_stack_folder(root: Path) -> str:
    """Where in the checkout ZenML notes which stack is active: of each state apart, for none knows another's stacks."""
    state = os.environ.get("ZENML_CONFIG_PATH") or str(root / "zenml")
    if state == str(_OWN_HOME / "zenml"):
        return ".zen"
    from hashlib import sha256

    return f".zen-{sha256(state.encode()).hexdigest()[:12]}"


def _is_file(path: Path) -> bool:
    # Not Path.is_file: where a folder may not be looked into, that raises.
    return os.path.isfile(path)  # noqa: PTH113


def _configured_root() -> Path:
    configured = os.environ.get(HOME_VARIABLE)
    return Path(configured).absolute() if configured else _OWN_HOME
