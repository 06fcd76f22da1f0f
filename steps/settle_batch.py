"""End a batch: empty the inbox, and hold the bad files against their limit."""

from typing import Annotated

from zenml import step

from quality_gate.batch_settings import INBOX, BatchSettings
from quality_gate.home import locate
from quality_gate.prediction.batch import Batch
from steps.context import run_name


@step
def settle_batch(batch: Batch, settings: BatchSettings) -> Annotated[str, "summary"]:
    """Move what the run met out of the inbox, if that is where it was, and say what came of it.

    Args:
        batch: answered, logged and reported.
        settings: of the run.

    Returns:
        The run in one line.

    Raises:
        UserError: too many files cannot be used; all work is done nonetheless.
    """
    from quality_gate.prediction.inbox import empty_inbox
    from quality_gate.prediction.summary import BatchSummary
    from quality_gate.progress import ConsoleReporter

    home, reporter = locate(), ConsoleReporter()
    with batch.open_record() as record:
        summary = BatchSummary.of(record)
        too_many = summary.too_many_bad(
            batch, record, home.batches(batch.gate) / run_name(), settings.max_unreadable_share
        )
        if batch.source == INBOX:
            reporter.say(f"inbox: {empty_inbox(record, home).sentence()}")
        record.finish()
    sentence = summary.sentence(batch)
    reporter.say(f"batch: {sentence}")
    if too_many is not None:
        raise too_many
    return sentence
