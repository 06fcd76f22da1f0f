"""Which Bento serves a gate, and whether building it again would change anything."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bentos.package import BUILD_FILE, ROOT, SOURCES, bento_store, build_file
from quality_gate.models.manifest import ModelManifest, file_digest

if TYPE_CHECKING:
    from quality_gate.ledger import LedgerEntry
    from quality_gate.standing import BuildOf


def served_bento(name: str, champion: "LedgerEntry") -> str | None:
    """The version of ``NAME:latest``, if building it again would change nothing but its time.

    Args:
        name: name of the gate; the Bento's name.
        champion: the model it must hold.

    Returns:
        The Bento's version; None where there is no such Bento, or one of another model, other code or other libraries.
    """
    versions = bento_store() / "bentos" / name
    try:
        bento_version = (versions / "latest").read_text()
        is_current = _is_current(versions / bento_version, name, champion)
    except (OSError, ValueError, yaml.YAMLError):
        # What cannot be read cannot be served either.
        return None
    return bento_version if is_current else None


def build_of(name: str) -> "BuildOf":
    """Tells for the champion of a gate when the Bento that serves it was built."""

    def built(champion: "LedgerEntry") -> str | None:
        served = served_bento(name, champion)
        return served.partition("-")[2] if served else None

    return built


def is_built(name: str, built: str) -> bool:
    """Whether a Bento of the gate has this time of the build in its version."""
    return any((bento_store() / "bentos" / name).glob(f"*-{built}"))


def _is_current(bento: Path, name: str, champion: "LedgerEntry") -> bool:
    source = bento / "src"
    model = source / "bentos" / "model"
    manifest = ModelManifest.load(model)
    installed = (bento / "env" / "python" / "requirements.txt").read_text(encoding="utf-8").split()
    return (
        manifest.version == champion.version
        and manifest.answers_digest == champion.digests.get("answers")
        and all(file_digest(model / file) == digest for file, digest in manifest.served_files.items())
        and manifest.digests.get("golden") == champion.digests.get("golden")
        and all((source / file).read_bytes() == (ROOT / file).read_bytes() for file in SOURCES)
        and yaml.safe_load((source / BUILD_FILE).read_text(encoding="utf-8")) == build_file(manifest, name)
        and f"bentoml=={version('bentoml')}" in installed
    )
