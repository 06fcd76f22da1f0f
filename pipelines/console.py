"""What of ZenML's log reaches the user."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from zenml.logger import ZenMLConsoleHandler

from pipelines.outages import outage
from quality_gate.errors import UserError

# Lines that tell a user nothing: what failed is said again below, by the trace or by the sentence the run ends with.
_UNHELPFUL = (
    "Failed to run step",
    "Models can be viewed in the dashboard using ZenML Pro",
    "Found credentials in",
    "Found endpoint for",
    "Initiating heartbeat for step",
    "generated new fontManager",
)


@contextmanager
def helpful_console() -> Iterator[None]:
    """Show of ZenML's log only what helps; what is kept with the run keeps every line."""
    helpful = _HelpfulLines()
    consoles = [handler for handler in logging.getLogger().handlers if isinstance(handler, ZenMLConsoleHandler)]
    for console in consoles:
        console.addFilter(helpful)
    try:
        yield
    finally:
        for console in consoles:
            console.removeFilter(helpful)


class _HelpfulLines(logging.Filter):
    """Drops unhelpful lines, and the traceback of what ends in a sentence; any other error keeps its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UserError) or (error is not None and outage(error) is not None):
            record.exc_info = None
        return not str(record.msg).startswith(_UNHELPFUL)
