"""The champions of a gate, as a step sees them."""

from quality_gate.home import locate
from quality_gate.ledger import Ledger
from quality_gate.registry import Registry
from quality_gate.standing import Candidates
from steps.context import tracking_uri


def registry(name: str) -> Registry:
    """The models of the gate called ``name``."""
    return Registry(name, Ledger(locate().registry(name)), tracking_uri())


def candidates(name: str) -> Candidates:
    """What the gate called ``name`` remembers of its candidates."""
    return Candidates(locate().registry(name))
