"""Answer every photo of a batch and log the answers."""

from typing import Annotated

from zenml import step

from quality_gate.batch_settings import BatchSettings
from quality_gate.home import locate
from quality_gate.prediction.batch import Batch
from steps.champions import registry


@step
def answer_batch(settings: BatchSettings) -> Annotated[Batch, "batch"]:
    """Let the champion answer what it has not answered before; an answer is recorded, then logged.

    Raises:
        UserError: there is no champion, the photos cannot be read, the prediction log cannot be used, the disk is full.
    """
    from quality_gate.inference import OnnxClassifier
    from quality_gate.prediction.champion import champion_of
    from quality_gate.prediction.streaming import answer_batch
    from quality_gate.progress import ConsoleReporter

    home = locate()
    with registry(settings.name).model_folder(champion_of(home, settings.name)) as folder:
        return answer_batch(settings, OnnxClassifier(folder), home, ConsoleReporter())
