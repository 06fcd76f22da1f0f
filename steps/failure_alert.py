"""Tell the alerter of the stack, such as ZenML's for Slack, that a scheduled run has failed."""

from zenml.client import Client


def alert_of_failure(text: str) -> None:
    """Post a message; without an alerter in the active stack there is nobody to tell.

    Args:
        text: the message.

    Raises:
        RuntimeError: the alerter says that it did not post it.
    """
    alerter = Client().active_stack.alerter
    if alerter is not None and not alerter.post(text):
        raise RuntimeError(f"the alerter {alerter.name} did not post it")
