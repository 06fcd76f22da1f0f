"""Pack the champion for serving."""

from typing import Annotated

from zenml import step

from quality_gate.errors import UserError
from steps.champions import registry


@step
def package(name: str, version: str, built: str) -> Annotated[str, "bento"]:
    """Build the Bento of the champion, unless the one that is served is no different.

    Args:
        name: the gate.
        version: of the champion in the registry.
        built: name of the time of the build.

    Returns:
        Its tag.

    Raises:
        UserError: another run has promoted another champion meanwhile.
    """
    from bentos.package import build_bento
    from bentos.served import served_bento
    from quality_gate.progress import ConsoleReporter

    models = registry(name)
    champion = models.ledger.champion()
    if champion is None or champion.version != version:
        raise UserError(f"package: {name}:{version} is no longer champion; the newer champion's run packs it.")
    served = served_bento(name, champion)
    if served:
        tag = f"{name}:{served}"
    else:
        with models.model_folder(champion) as folder:
            tag = build_bento(folder, name=name, built=built)
    ConsoleReporter().say(f"package: {tag}; serve it with: bentoml serve {name}:latest")
    return tag
