"""Whom the candidate must match: the champion or, if it is champion already, the one before."""

from typing import Annotated

from zenml import get_step_context, step

from bentos.served import build_of, is_built
from quality_gate.models.folder import ModelFolder
from quality_gate.standing import Standing, moment, standing
from steps.champions import candidates, registry
from steps.context import not_to_be_kept


@step
def find_rival(
    name: str, model: ModelFolder, rival: str, promotion: str, built: str
) -> tuple[Annotated[str, "rival"], Annotated[str, "promotion"], Annotated[str, "built"]]:
    """Hold where the run expects its candidate to stand against where it stands.

    What follows is keyed by what this step returns, so that none of it answers for another champion than there is.

    Args:
        name: the gate.
        model: the calibrated candidate.
        rival: promotion of the model that it is expected to have to match; '' where there is none.
        promotion: the one that made it champion, or the name of the one to come.
        built: when its Bento was built, or the time to give to the one to come.

    Returns:
        The same three, as they are.
    """
    step_run, ledger = get_step_context().step_run, registry(name).ledger
    candidate = model.manifest.answers_digest
    candidates(name).remember(step_run.config.extra["origin"], candidate)
    used = {entry.identity for entry in ledger.entries()}
    to_come = (moment() if promotion in used else promotion, moment() if is_built(name, built) else built)
    found = standing(ledger.champions(), candidate, to_come=to_come, build_of=build_of(name))
    if found != Standing(rival, promotion, built):
        # The step's key stands for what was expected: this is no answer to it.
        not_to_be_kept()
    return found.rival, found.promotion, found.built
