"""Set up the local stack: ZenML's store, MLflow's database, and where both are found again from any directory.

Run by ``make``; running it again changes nothing that is already there.
"""

import site
import sys
from pathlib import Path

from quality_gate.home import Home, locate, use_home

STACK = "visual_quality_gate"
STARTUP_FILE = "visual_quality_gate_home.pth"


def main() -> None:
    """Set everything up in the folder of all state."""
    home = locate()
    for folder in (home.zenml, home.mlflow, home.bentos, home.weights):
        folder.mkdir(parents=True, exist_ok=True)
    if Path(sys.prefix) != Path(sys.base_prefix):
        remember(Path(site.getsitepackages()[0]))
    use_home()
    create_mlflow_database(home)
    create_stack(home)


def remember(packages: Path) -> None:
    """Make every Python of this virtual environment keep its state in the product's home.

    Python runs the ``import`` lines of ``.pth`` files when it starts, so ``zenml`` and ``bentoml`` find
    their state from any directory and without a shell having set anything.
    """
    startup, line = packages / STARTUP_FILE, "import quality_gate.home; quality_gate.home.use_home()\n"
    if not startup.exists() or startup.read_text() != line:
        startup.write_text(line)


def create_mlflow_database(home: Home) -> None:
    """Create MLflow's tables; a no-op where they are there."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=home.mlflow_tracking_uri).search_experiments(max_results=1)


def create_stack(home: Home) -> None:
    """Register the local orchestrator and artifact store with MLflow's tracker and registry, and activate them."""
    repository = Path(__file__).resolve().parent.parent.parent
    from zenml.client import Client
    from zenml.enums import StackComponentType

    if not Client.is_repository_directory(repository):
        Client.initialize(root=repository)
    client = Client()
    if not client.list_stacks(name=STACK):
        client.create_stack_component(
            "mlflow", "mlflow", StackComponentType.EXPERIMENT_TRACKER, {"tracking_uri": home.mlflow_tracking_uri}
        )
        client.create_stack_component("mlflow", "mlflow", StackComponentType.MODEL_REGISTRY, {})
        client.create_stack(
            STACK,
            {
                StackComponentType.ORCHESTRATOR: "default",
                StackComponentType.ARTIFACT_STORE: "default",
                StackComponentType.EXPERIMENT_TRACKER: "mlflow",
                StackComponentType.MODEL_REGISTRY: "mlflow",
            },
        )
    if client.active_stack_model.name != STACK:
        client.activate_stack(STACK)


if __name__ == "__main__":
    main()
