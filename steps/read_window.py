"""Read the window of a drift run."""

from typing import Annotated

from zenml import step

from quality_gate.drift.window import ObservedWindow
from quality_gate.drift_settings import DriftSettings
from quality_gate.home import locate
from steps.champions import registry


@step
def read_window(settings: DriftSettings) -> Annotated[ObservedWindow, "window"]:
    """Read the champion's newest answers from the prediction log, and its reference from its folder.

    Raises:
        UserError: there is no champion, it keeps no reference, or the prediction log cannot be used.
    """
    from quality_gate.drift.judgement import left_out_sentence
    from quality_gate.drift.reference import Reference
    from quality_gate.drift.window import read_window
    from quality_gate.prediction.champion import champion_of
    from quality_gate.progress import ConsoleReporter

    champion, models = champion_of(locate(), settings.name), registry(settings.name)
    assert champion.version is not None
    known = {entry.version for entry in models.ledger.entries() if entry.version is not None}
    with models.model_folder(champion) as folder:
        reference = Reference.load(folder)
    window = read_window(settings, champion.version, known, reference)
    if sentence := left_out_sentence(window):
        ConsoleReporter().say(f"drift: {sentence}")
    return window
