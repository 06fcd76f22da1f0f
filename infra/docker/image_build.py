"""What building every image of this folder has in common: Docker itself, and the way to the package index."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from quality_gate.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
# Where pip and others look for certificates of a site's own.
_CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def docker_build(
    dockerfile: str, context: Path, *, tags: Sequence[str], base_image: str, environment: Mapping[str, str]
) -> None:
    """Build an image.

    Args:
        dockerfile: its name in ``infra/docker``.
        context: the build context, to which ``certificates.pem`` is added.
        tags: names of the image; the first one is named in messages.
        base_image: the image to build on.
        environment: of the caller: package index and certificates.

    Raises:
        UserError: there is no Docker, or it could not build; what it said stands above.
    """
    certificates = next((Path(environment[name]) for name in _CERTIFICATES if environment.get(name)), None)
    (context / "certificates.pem").write_bytes(certificates.read_bytes() if certificates else b"")
    command = ["docker", "build", "--file", str(ROOT / "infra" / "docker" / dockerfile)]
    command += ["--build-arg", f"BASE_IMAGE={base_image}"]
    if environment.get("PIP_INDEX_URL"):
        # Without a value Docker takes it from the environment: an address with a password stays out of sight.
        command += ["--build-arg", "PIP_INDEX_URL"]
    command += [word for tag in tags for word in ("--tag", tag)]
    try:
        result = subprocess.run([*command, str(context)], env=dict(environment), check=False)  # noqa: S603
    except FileNotFoundError:
        raise UserError("docker was not found; install Docker to build an image.") from None
    if result.returncode != 0:
        raise UserError(f"Docker could not build {tags[0]}; what it said stands above.")
