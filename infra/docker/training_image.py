"""Puts the project and all it needs to train into an image: ``python infra/docker/training_image.py``.

The image holds the libraries in the versions of ``constraints.txt``, as ``make install`` does.
"""

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import click
from image_build import ROOT, docker_build

from pipelines.containers import TRAINING_IMAGE

# On a cluster a pod of this image starts the others.
EXTRA = "cluster"
# What hatchling puts into the wheel, what it needs for that, and the settings of the default run.
PROJECT = (
    "LICENSE", "README.md", "pyproject.toml", "zenml.yaml", "quality_gate", "steps", "pipelines", "bentos",
    "expectations",
)  # fmt: skip


def libraries(project: dict[str, Any], extra: str) -> list[str]:
    """Requirements of a project with an extra, those of extras that it names in turn included.

    Args:
        project: the table ``[project]`` of a ``pyproject.toml``.
        extra: name of the extra.
    """
    found: list[str] = list(project["dependencies"])
    for requirement in project["optional-dependencies"][extra]:
        if requirement.startswith(f"{project['name']}["):
            inner = requirement.partition("[")[2].rstrip("]")
            found += [line for line in libraries(project, inner) if line not in found]
        else:
            found.append(requirement)
    return found


def stage(target: Path, *, root: Path = ROOT) -> None:
    """Write the build context of ``training.Dockerfile``, but for the certificates.

    What a layer is built from stands in files of its own, so that a changed line of code installs no library again.

    Args:
        target: an empty folder.
        root: the checkout.
    """
    described = tomllib.loads((root / "pyproject.toml").read_text())
    (uv,) = [line for line in (root / "constraints.txt").read_text().splitlines() if line.startswith("uv==")]
    (target / "installer.txt").write_text("\n".join([uv, *described["build-system"]["requires"]]) + "\n")
    (target / "requirements.txt").write_text("\n".join(sorted(libraries(described["project"], EXTRA))) + "\n")
    shutil.copyfile(root / "constraints.txt", target / "constraints.txt")
    project = target / "project"
    project.mkdir()
    for name in PROJECT:
        if (root / name).is_dir():
            shutil.copytree(root / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(root / name, project / name)


@click.command()
@click.option(
    "--base-image",
    default=f"python:{sys.version_info.major}.{sys.version_info.minor}-slim",
    show_default=True,
    help="Image to build on; its python3 is of the version that runs here.",
)
@click.option("--tag", default=TRAINING_IMAGE, show_default=True, help="Name of the image.")
def main(base_image: str, tag: str) -> None:
    """Build the image in which steps of a pipeline run."""
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder))
        docker_build("training.Dockerfile", Path(folder), tags=[tag], base_image=base_image, environment=os.environ)
    click.echo(f"Built {tag}.")


if __name__ == "__main__":
    main()
