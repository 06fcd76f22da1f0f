"""Packs a model folder into a Bento, the unit that is served and put into an image."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from bentos.explanation import write_head
from bentos.known_metrics import write_known_metrics
from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE, locate
from quality_gate.models.manifest import MANIFEST_FILE, ModelManifest
from quality_gate.models.smoke import smoke_test
from quality_gate.standing import moment

ROOT = Path(__file__).resolve().parent.parent

# All that a Bento carries besides the model. The service imports these modules and no other of this project.
SOURCES: tuple[str, ...] = (
    "bentos/__init__.py",
    "bentos/answers.py",
    "bentos/application.py",
    "bentos/authentication.py",
    "bentos/composition.py",
    "bentos/endpoints.py",
    "bentos/entry.py",
    "bentos/exchange.py",
    "bentos/explanation.py",
    "bentos/limits.py",
    "bentos/metrics.py",
    "bentos/model_card.py",
    "bentos/model_watch.py",
    "bentos/openapi.py",
    "bentos/openapi_parts.py",
    "bentos/openapi_review.py",
    "bentos/openapi_schemas.py",
    "bentos/page/__init__.py",
    "bentos/page/icon.svg",
    "bentos/page/index.html",
    "bentos/page/page.css",
    "bentos/page/page.js",
    "bentos/page/review.css",
    "bentos/page/review.html",
    "bentos/page/review.js",
    "bentos/page/service.js",
    "bentos/prediction_sink.py",
    "bentos/queue_count.py",
    "bentos/refusals.py",
    "bentos/request_log.py",
    "bentos/review_backend.py",
    "bentos/review_endpoints.py",
    "bentos/routing.py",
    "bentos/service.py",
    "bentos/settings.py",
    "bentos/upload.py",
    "bentos/worker_pool.py",
    "quality_gate/__init__.py",
    "quality_gate/api_keys.py",
    "quality_gate/data/__init__.py",
    "quality_gate/data/image_facts.py",
    "quality_gate/data/phash.py",
    "quality_gate/drift/__init__.py",
    "quality_gate/drift/features.py",
    "quality_gate/errors.py",
    "quality_gate/explanation/__init__.py",
    "quality_gate/explanation/class_activation.py",
    "quality_gate/explanation/overlay.py",
    "quality_gate/home.py",
    "quality_gate/inference.py",
    "quality_gate/models/__init__.py",
    "quality_gate/models/golden.py",
    "quality_gate/models/manifest.py",
    "quality_gate/models/member.py",
    "quality_gate/models/smoke.py",
    "quality_gate/models/watched_class.py",
    "quality_gate/monitoring/__init__.py",
    "quality_gate/monitoring/database.py",
    "quality_gate/monitoring/journal.py",
    "quality_gate/monitoring/log_settings.py",
    "quality_gate/monitoring/migrations/__init__.py",
    "quality_gate/monitoring/migrations/env.py",
    "quality_gate/monitoring/migrations/versions/0001_predictions.py",
    "quality_gate/monitoring/migrations/versions/0002_models.py",
    "quality_gate/monitoring/migrations/versions/0003_reviews.py",
    "quality_gate/monitoring/migrations/versions/0004_features.py",
    "quality_gate/monitoring/outbox.py",
    "quality_gate/monitoring/prediction.py",
    "quality_gate/monitoring/prediction_log.py",
    "quality_gate/monitoring/schema.py",
    "quality_gate/monitoring/shipper.py",
    "quality_gate/preprocess.py",
    "quality_gate/processors.py",
    "quality_gate/review/__init__.py",
    "quality_gate/review/desk.py",
    "quality_gate/review/intake.py",
    "quality_gate/review/photos.py",
    "quality_gate/review/reading.py",
    "quality_gate/review/settings.py",
    "quality_gate/review/sweeping.py",
    "quality_gate/review/verdict.py",
    "quality_gate/settings_section.py",
)
BUILD_FILE = "bentofile.yaml"

# What a Bento's image installs, in the versions it was built with; BentoML adds itself. httptools and uvloop: uvicorn
# takes them for HTTP and the event loop where they are installed, and slower ones in Python where they are not.
REQUIREMENTS: tuple[str, ...] = (
    "alembic", "click", "httptools", "numpy", "onnxruntime", "pillow", "psycopg", "psycopg-binary", "pydantic",
    "sqlalchemy", "uvloop",
)  # fmt: skip
# Where a container keeps the answers that wait for the database, and the database where no other is named.
CONTAINER_HOME = "/home/bentoml/quality-gate"


def build_bento(model_folder: Path, *, name: str, built: str | None = None) -> str:
    """Build a Bento of a model and make it ``NAME:latest``.

    The Bento store is the one of ``BENTOML_HOME``, or the product's own where that is not set. The Bento is built aside
    and moved into the store whole, so an interrupted build changes nothing there.

    Args:
        model_folder: folder with ``model.json`` and the network that answers.
        name: name of the gate; the Bento's name.
        built: name of the time of the build, as ``moment`` makes it; None means now.

    Returns:
        The tag, ``name:version``; the version is the model's, followed by the time of the build.

    Raises:
        UserError: the folder holds no model, or one that does not answer; the name is that of a Python module.
        RuntimeError: BentoML could not build; the message holds what it said.
    """
    _check_name(name)
    smoke_test(model_folder)
    manifest = ModelManifest.load(model_folder)
    bento_version = f"{manifest.version or 'candidate'}-{built or moment()}"
    home = bento_store()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=home) as folder:
        sources, store = Path(folder, "sources"), Path(folder, "store")
        _stage(model_folder, sources)
        write_known_metrics(manifest, name, sources / "bentos" / "model")
        (sources / BUILD_FILE).write_text(yaml.safe_dump(build_file(manifest, name), sort_keys=False))
        _run_build(sources, store, bento_version)
        _publish(store / "bentos" / name / bento_version, home / "bentos" / name)
    return f"{name}:{bento_version}"


def _check_name(name: str) -> None:
    # `bentoml serve NAME:latest` first tries to import a module NAME, which would then stand in for the Bento's own.
    module = find_spec(name)
    if module is not None and module.origin is not None:
        raise UserError(f"name is {name!r}, which is also a Python module ({module.origin}); choose another name.")


def bento_store() -> Path:
    """The Bento store: of ``BENTOML_HOME``, or the product's own where that is not set."""
    return Path(os.environ.get("BENTOML_HOME") or locate().bentos).absolute()


def _stage(model_folder: Path, target: Path) -> None:
    for source in SOURCES:
        (target / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, target / source)
    model = target / "bentos" / "model"
    model.mkdir()
    for file in (MANIFEST_FILE, *ModelManifest.load(model_folder).served_files):
        shutil.copyfile(model_folder / file, model / file)
    write_head(model_folder, model)


def build_file(manifest: ModelManifest, name: str) -> dict[str, Any]:
    """What BentoML is told to build for a model."""
    return {
        "service": "bentos.entry:QualityGateService",
        "name": name,
        "description": _describe(manifest, name),
        "labels": {
            "gate": name,
            "model_version": manifest.version or "candidate",
            "data_digest": manifest.digests.get("data", "unknown"),
        },
        "include": ["*"],
        "python": {
            "packages": [f"{package}=={version(package)}" for package in REQUIREMENTS],
            "lock_packages": False,
        },
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
        # Inside a container the loopback address of the service would be out of reach.
        "envs": [
            {"name": "BENTOML_HOST", "value": "0.0.0.0"},  # noqa: S104
            {"name": HOME_VARIABLE, "value": CONTAINER_HOME},
        ],
    }


def _describe(manifest: ModelManifest, name: str) -> str:
    routing = manifest.routing
    if routing is None or routing.threshold is None:
        promise = "No threshold is certified: every answer goes to review."
    else:
        promise = (
            f"Answers from confidence {routing.threshold:.3f} are accepted: at most {routing.alpha:.1%} of them are "
            f"wrong, with confidence {1 - routing.delta:.0%}, on photos like those of the calibration split, of which "
            f"{routing.coverage:.1%} were accepted."
        )
    return (
        f"# {name}\n\nModel {manifest.name}:{manifest.version or 'candidate'} ({manifest.architecture}) tells "
        f"{', '.join(manifest.classes)} apart.\n\n{promise}\n\n"
        "`POST /predict` takes a photo in the multipart field `image`, `POST /predict_batch` many in `images`, `POST "
        "/explain` shows what in a photo spoke for the answer; `GET /model` describes the model, `GET /openapi.json` "
        "the interface, `GET /` is a page, and `GET /review` the one on which people review photos. What cannot be "
        'answered gets `{"error": "…"}`: 422 without a usable '
        "photo, 413 for a body that is too large, 429 while too many requests wait, 504 after the time limit.\n"
    )


def _run_build(sources: Path, store: Path, bento_version: str) -> None:
    # A process of its own: BentoML fixes its store at first use, and changes directory and settings while it builds.
    # The build file is named: BentoML finds none by itself below a hidden folder, such as the product's own.
    options = ["--bentofile", BUILD_FILE, "--version", bento_version, "--output", "tag"]
    command = [sys.executable, "-m", "bentoml", "build", *options, "."]
    environment = {**os.environ, "BENTOML_HOME": str(store), "BENTOML_DO_NOT_TRACK": "true"}
    store.mkdir()
    result = subprocess.run(  # noqa: S603
        command, cwd=sources, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"BentoML could not build the Bento:\n{result.stderr or result.stdout}")


def _publish(bento: Path, versions: Path) -> None:
    versions.mkdir(parents=True, exist_ok=True)
    bento.rename(versions / bento.name)
    # BentoML reads the newest version from this file; it is replaced at once, after the Bento is in its place.
    pointer = versions / f".latest-{bento.name}"
    pointer.write_text(bento.name)
    pointer.replace(versions / "latest")
