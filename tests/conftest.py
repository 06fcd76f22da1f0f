"""Fixtures shared by tests of several packages."""

import fcntl
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image
from xdist.scheduler import LoadScopeScheduling

from benchmarks.postgres import NoPostgres, PostgresServer
from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.metric_sampler import SCALAR_METRICS
from quality_gate.evaluation.metrics import ClassMetrics, Metrics
from quality_gate.evaluation.scores import Evaluation, Scores
from quality_gate.inference import OnnxClassifier
from quality_gate.ledger import LedgerEntry
from quality_gate.models.golden import GoldenPhoto, answer_photo, write_golden_photos
from quality_gate.models.manifest import ONNX_FILE, ModelManifest, RoutingCertificate, file_digest
from quality_gate.monitoring.prediction import ImageStatistics, Prediction
from quality_gate.preprocess import PreprocessingSpec

TINY_CLASSES = ("onion", "potato", "tomato")
TINY_SIZE = 32
# Of Debian 12, of which a base image is made where no registry can be reached.
DEBIAN_PYTHON = "3.11"
CERTIFICATE = RoutingCertificate(
    alpha=0.05, delta=0.1, threshold=0.6, coverage=0.8, accepted=80, wrong=1, photos=100, risk_upper_bound=0.0483
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "FileScheduling":
    """Where tests run in several processes, the tests of a file run in one of them."""
    return FileScheduling(config, log)


class FileScheduling(LoadScopeScheduling):
    """Hands out whole files, so that costly fixtures are made once; those of whole runs share a checkout."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/pipelines" if file.startswith("tests/pipelines/") else file


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with all tables and no row, to be copied: making one takes seconds."""
    from mlflow import MlflowClient

    path: Path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    uri = f"sqlite:///{path}"
    MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
    return path


@pytest.fixture(scope="session")
def make_scores() -> Callable[..., Scores]:
    """Makes the scores of a good model; figures that are named replace its own."""
    return _make_scores


@pytest.fixture(scope="session")
def make_evaluation() -> Callable[..., Evaluation]:
    """Makes the evaluation of a candidate that the default gate lets through; fields that are named replace its own."""
    return _make_evaluation


@pytest.fixture(scope="session")
def make_entry() -> Callable[..., LedgerEntry]:
    """Makes a ledger entry of an event and a version; fields that are named replace its own."""
    return _make_entry


@pytest.fixture(scope="session")
def make_tracked() -> Callable[..., Any]:
    """Makes a run of an experiment tracker that keeps what it is told; ``runs`` lists those below it."""
    return Tracked


class Tracked:
    """A run of an experiment tracker; ``runs`` lists those below it."""

    def __init__(self, name: str = "tuning") -> None:
        self.name = name
        self.runs: list[Tracked] = []
        self.parameters: dict[str, Any] = {}
        self.metrics: list[tuple[int, dict[str, Any]]] = []
        self.tags: dict[str, str] = {}
        self.succeeded: bool | None = None

    def nested(self, name: str) -> "Tracked":
        self.runs.append(Tracked(name))
        return self.runs[-1]

    def log_parameters(self, values: dict[str, Any]) -> None:
        self.parameters |= values

    def log_metrics(self, values: dict[str, Any], *, step: int = 0) -> None:
        self.metrics.append((step, values))

    def log_tags(self, values: dict[str, str]) -> None:
        self.tags |= values

    def finish(self, *, succeeded: bool) -> None:
        self.succeeded = succeeded


def _make_scores(recalls: dict[str, float] | None = None, **figures: float) -> Scores:
    good = {
        "accuracy": 0.9, "macro_precision": 0.9, "macro_recall": 0.9, "macro_f1": 0.9, "brier": 0.15,
        "brier_top1": 0.08, "ece": 0.03, "log_loss": 0.3, "roc_auc_ovr": 0.98, "pr_auc_ovr": 0.95,
    }  # fmt: skip
    found = dict.fromkeys(TINY_CLASSES, 0.9) | (recalls or {})
    per_class = {name: ClassMetrics(0.9, recall, 0.9, 20) for name, recall in found.items()}
    names = [*SCALAR_METRICS, *(f"recall:{name}" for name in found)]
    return Scores(Metrics(**good | figures, per_class=per_class), {name: Interval(0.123, 0.987) for name in names})


def _make_evaluation(**changes: object) -> Evaluation:
    whole = Evaluation(
        name="visual_quality_gate",
        classes=TINY_CLASSES,
        test_photos=60,
        data_digest="d" * 64,
        candidate=_make_scores(),
        baselines={"histogram": _make_scores(macro_f1=0.7), "scratch": _make_scores(macro_f1=0.75)},
        champion=None,
        routing=CERTIFICATE,
        export_difference=2e-6,
        model_mb=13.5,
        latency_ms=21.0,
    )
    return replace(whole, **changes)


def _make_entry(event: str = "promoted", version: str | None = "1", **changes: object) -> LedgerEntry:
    evaluation = _make_evaluation()
    whole = LedgerEntry(
        event=event,
        run=f"run of {version}",
        version=version,
        model="tiny",
        model_uri=None,
        classes=list(TINY_CLASSES),
        metrics=evaluation.candidate.metrics.to_json(),
        routing=asdict(CERTIFICATE),
        digests={"data": "d" * 64, "onnx": "e" * 64},
        gate={"passed": event != "refused", "rules": []},
        report="/reports/evaluation.html",
        time="2026-03-04T10:11:12+00:00",
    )
    return replace(whole, **changes)


@pytest.fixture(scope="session")
def write_tiny_model() -> Callable[..., Path]:
    """Writes a real model folder without training: colours of the four quarters → logits."""
    return _write_tiny_model


def _write_tiny_model(folder: Path, *, version: str | None = "1", seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _write_onnx(folder / ONNX_FILE, seed)
    ModelManifest(
        name="visual_quality_gate",
        architecture="tiny",
        classes=TINY_CLASSES,
        preprocessing=PreprocessingSpec(TINY_SIZE, ("crop",), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        temperature=1.3,
        routing=CERTIFICATE,
        digests={"data": "d" * 64, "onnx": file_digest(folder / ONNX_FILE)},
        version=version,
    ).save(folder)
    return folder


def _write_onnx(path: Path, seed: int) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    half = TINY_SIZE // 2
    weights = np.random.default_rng(seed).normal(0, 0.5, (12, len(TINY_CLASSES))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["photos"], ["quarters"], kernel_shape=[half, half], strides=[half, half]),
            helper.make_node("Flatten", ["quarters"], ["features"]),
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("photos", TensorProto.FLOAT, ["n", 3, TINY_SIZE, TINY_SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(TINY_CLASSES)])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.fixture(scope="session")
def add_golden() -> Callable[[Path], Path]:
    """Writes golden photos into a model folder: of each class that it gives one, photos of four colours."""
    return _add_golden


def _add_golden(folder: Path) -> Path:
    classifier = OnnxClassifier(folder)
    found: dict[str, GoldenPhoto] = {}
    for number in range(40):
        colours = np.random.default_rng(number).integers(0, 256, (2, 2, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(colours).resize((TINY_SIZE, TINY_SIZE), Image.Resampling.NEAREST).save(buffer, "JPEG")
        answer = answer_photo(classifier, buffer.getvalue())
        label = max(answer, key=answer.__getitem__)
        found.setdefault(label, GoldenPhoto(label, buffer.getvalue(), answer))
    path = write_golden_photos([found[label] for label in sorted(found)], folder)
    manifest = classifier.manifest
    replace(manifest, digests={**manifest.digests, "golden": file_digest(path)}).save(folder)
    return folder


@dataclass(frozen=True)
class Checkout:
    """A copy of the project with a virtual environment and state of its own, set up as ``make`` does it.

    Attributes:
        root: its top folder.
        work: a folder below it, from which everything is called.
        environment: of every process that runs there.
    """

    root: Path
    work: Path
    environment: dict[str, str]

    def start(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a console script, such as ``zenml``; what it says goes into ``log``."""
        with log.open("wb") as file:
            return subprocess.Popen(
                [self.root / ".venv" / "bin" / command[0], *command[1:]],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *command: str) -> tuple[int, str]:
        """Run a console script to its end: exit code, and all it said."""
        log = self.work / "console.log"
        code = self.start(*command, log=log).wait(timeout=1200)
        return code, log.read_text()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A fresh checkout; the developer's own environment, photos, models and runs are never touched."""
    source, root = Path(__file__).resolve().parent.parent, tmp_path_factory.mktemp("checkout")
    for name in ("quality_gate", "steps", "pipelines", "bentos", "expectations", "infra"):
        shutil.copytree(source / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("zenml.yaml", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(source / name, root / name)
    _make_environment(root)
    made = Checkout(root, root / "work", _environment(root))
    for folder in (made.work, root / "temporary"):
        folder.mkdir()
    code, said = made.run("python", str(root / "infra" / "stacks" / "local.py"))
    assert code == 0, said
    return made


def _make_environment(root: Path) -> None:
    """A virtual environment that finds the copy, and else what is installed for these tests."""
    venv.create(root / ".venv", symlinks=True)
    variables = {"base": str(root / ".venv"), "platbase": str(root / ".venv")}
    packages, installed = Path(sysconfig.get_path("purelib", vars=variables)), Path(sysconfig.get_path("purelib"))
    (packages / "checkout.pth").write_text(f"{root}\n{root / 'pipelines' / 'commands'}\n{installed}\n")
    for shim in installed.glob("distutils-precedence.pth"):
        shutil.copyfile(shim, packages / shim.name)
    programs = root / ".venv" / "bin"
    for name in ("zenml", "bentoml", "quality-gate"):
        script = Path(sys.executable).with_name(name).read_text()
        (programs / name).write_text(f"#!{programs / 'python'}\n{script.partition(chr(10))[2]}")
        (programs / name).chmod(0o755)


def _environment(root: Path) -> dict[str, str]:
    ours = ("QUALITY_GATE_", "ZENML_", "BENTOML_", "MLFLOW_", "PYTHON", "COVERAGE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return environment | {
        "PATH": f"{root / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(root / "temporary"),
        "PYTHONUNBUFFERED": "1",
        # Else every start would compile all libraries anew where the installed ones are not compiled.
        "PYTHONPYCACHEPREFIX": str(root / "bytecode"),
        "ZENML_AUTO_OPEN_DASHBOARD": "false",
    }


@pytest.fixture(scope="session")
def docker_base() -> str:
    """An image with this Python: the official one where it can be had, else one of Debian's packages."""
    if shutil.which("docker") is None or _docker("info") != 0:
        pytest.skip("no Docker engine answers")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    official, debian = f"python:{version}-slim", f"quality-gate-trial-base:{version}"
    # Tests that run beside each other make it once.
    with (Path(tempfile.gettempdir()) / "quality-gate-trial-base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for image in (official, debian):
            if _docker("image", "inspect", image) == 0:
                return image
        if _docker("pull", "--quiet", official) == 0:
            return official
        if version != DEBIAN_PYTHON or shutil.which("debootstrap") is None or os.geteuid() != 0:
            pytest.skip(
                f"no registry can be reached, and no base image can be made without root, debootstrap and "
                f"Debian's own Python {DEBIAN_PYTHON}"
            )
        command = [Path(__file__).resolve().parent.parent / "infra" / "docker" / "debian_base.sh", debian]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout[-2000:] + made.stderr
        return debian


def _docker(*arguments: str) -> int:
    return subprocess.run(["docker", *arguments], capture_output=True, check=False).returncode


@pytest.fixture(scope="session")
def postgres():
    try:
        server = PostgresServer()
        server.start()
    except NoPostgres as reason:
        pytest.skip(f"no PostgreSQL can be run here: {reason}")
    yield server
    server.shut_down()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database' / 'predictions.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def make_prediction():
    """Makes predictions that differ in id and time, a second later each; fields that are named replace its own."""
    numbers = count(1)

    def make(**changes):
        number = next(numbers)
        whole = {
            "id": UUID(int=number * 2**64 + number),
            "time": datetime(2026, 3, 4, 10, 0, 0, 123456, tzinfo=UTC) + timedelta(seconds=number),
            "image_sha256": f"{number:064x}",
            "image_name": f"belt 3/{number}.jpg",
            "gate": "produce",
            "model_version": "7",
            "label": "potato",
            "probabilities": {"potato": 0.8, "onion": 0.15, "tomato": 0.05},
            "confidence": 0.8,
            "decision": "accept",
            "threshold": 0.6,
            "latency_ms": 12.5,
            "origin": "service",
            "image": ImageStatistics(640, 480, 120.25, 0.5, 0.2, 0.6, 0.5, 0.4, 830.5),
        }
        whole |= changes
        if whole.get("review_reason"):
            whole = {"review_share": 1.0 if whole["review_reason"] == "review" else 0.01} | whole
        return Prediction(**whole)

    return make
