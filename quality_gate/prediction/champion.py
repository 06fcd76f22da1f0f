"""The model that answers: the champion of the gate."""

from quality_gate.errors import UserError
from quality_gate.home import Home
from quality_gate.ledger import Ledger, LedgerEntry


def champion_of(home: Home, name: str) -> LedgerEntry:
    """The champion of the gate called ``name``.

    Raises:
        UserError: there is none, or no such gate.
    """
    champion = Ledger(home.registry(name)).champion()
    if champion is not None:
        return champion
    folders = home.registry(name).parent.glob("*/")
    known = sorted(folder.name for folder in folders if Ledger(folder).champion() is not None)
    if known and not Ledger(home.registry(name)).entries():
        raise UserError(f"name is {name!r}: no gate is called so; gates with a champion are {', '.join(known)}.")
    raise UserError(f"{name} has no champion yet; train one with: zenml pipeline run training.")
