"""Puts a built Bento into an image: ``python infra/docker/serving_image.py my_gate``.

The newest Bento of the gate is taken from the product's own store, ``BENTOML_HOME`` or ``.quality_gate/bentos``. The
image is called ``NAME:VERSION``, as the Bento is, and ``NAME:latest``.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
from image_build import ROOT, docker_build

from quality_gate.errors import UserError
from quality_gate.home import locate

_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def find_bento(store: Path, name: str) -> Path:
    """The folder of the newest Bento of a gate.

    Args:
        store: the Bento store.
        name: name of the gate.

    Raises:
        UserError: there is none; the message says what there is.
    """
    pointer = store / "bentos" / name / "latest"
    if not pointer.is_file():
        there = sorted(path.parent.name for path in store.glob("bentos/*/latest"))
        known = f"there is one of {', '.join(there)}" if there else "there is none; `make training` builds one"
        raise UserError(f"name is {name!r}, but {store} holds no Bento of it: {known}.")
    return pointer.parent / pointer.read_text().strip()


def stage(bento: Path, target: Path, *, constraints: Path) -> None:
    """Write the build context of ``serving.Dockerfile``, but for the certificates.

    Args:
        bento: folder of a Bento.
        target: an empty folder.
        constraints: versions to hold to, as pip reads them. What the Bento names itself is left out of them: it keeps
            the versions it was built and tested with, even where the checkout has moved on since.
    """
    shutil.copytree(bento, target / "bento", ignore=shutil.ignore_patterns("__pycache__"))
    own = _packages((bento / "env" / "python" / "requirements.txt").read_text())
    lines = [line for line in constraints.read_text().splitlines() if not _packages(line) & own]
    (target / "constraints.txt").write_text("\n".join(lines) + "\n")


def build_image(bento: Path, *, base_image: str, environment: Mapping[str, str]) -> str:
    """Build the image of a Bento.

    Args:
        bento: its folder.
        base_image: an image that holds Python 3.11 as ``python3``, with its module venv.
        environment: of the caller: package index and certificates.

    Returns:
        The image's name, ``NAME:VERSION``.

    Raises:
        UserError: there is no Docker, or it could not build; what it said stands above.
    """
    tag = f"{bento.parent.name}:{bento.name}"
    with tempfile.TemporaryDirectory() as folder:
        stage(bento, Path(folder), constraints=ROOT / "constraints.txt")
        docker_build(
            "serving.Dockerfile",
            Path(folder),
            tags=[tag, f"{bento.parent.name}:latest"],
            base_image=base_image,
            environment=environment,
        )
    return tag


def _packages(requirements: str) -> set[str]:
    """Names of the packages that lines of requirements name, normalised."""
    found = (_PACKAGE.match(line) for line in requirements.splitlines())
    return {re.sub(r"[-_.]+", "-", match.group().lower()) for match in found if match}


@click.command()
@click.argument("name")
@click.option("--base-image", default="python:3.11-slim", show_default=True, help="Image with Python 3.11 to build on.")
def main(name: str, base_image: str) -> None:
    """Build an image of the newest Bento of the gate NAME."""
    store = Path(os.environ.get("BENTOML_HOME") or locate().bentos)
    tag = build_image(find_bento(store, name), base_image=base_image, environment=os.environ)
    click.echo(f"Built {tag}. Start it with:\n  docker run --rm -p 127.0.0.1:3000:3000 {tag}")


if __name__ == "__main__":
    main()
