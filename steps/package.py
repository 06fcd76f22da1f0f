"""Pack the champion for serving."""

from typing import Annotated

from zenml import step

from quality_gate.errors import UserError
from steps.context import registry


@step
def package(name: str, version: str) -> Annotated[str, "bento"]:
    """Build the Bento of the champion.

    Returns:
        Its tag.

    Raises:
        UserError: another run has promoted another champion meanwhile.
    """
    from bentos.package import build_bento
    from quality_gate.progress import ConsoleReporter

    with registry(name).champion_folder() as champion:
        if champion is None or champion.version != version:
            raise UserError(f"package: {name}:{version} is no longer champion; the newer champion's run packs it.")
        tag = build_bento(champion.folder, name=name)
    ConsoleReporter().say(f"package: {tag}; serve it with: bentoml serve {name}:latest")
    return tag
