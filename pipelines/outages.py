"""A store that does not answer, or is full, is something a person can mend, so it is said in a sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zenml.client import Client
from zenml.enums import StackComponentType

from quality_gate.disk_space import explain_full_disk
from quality_gate.errors import UserError
from quality_gate.home import locate

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Whose errors come of an object store: of its client, and of the connection to it.
_OBJECT_STORE = {"aiobotocore", "aiohttp", "botocore"}
_GOES_ON = "the same command goes on where it was"


@contextmanager
def explained_outages() -> Iterator[None]:
    """Say in one sentence which store ended a run, instead of with the stack trace of whoever asked it.

    Raises:
        UserError: the artifact store or MLflow's server did not answer, or a disk was full.
    """
    try:
        yield
    except Exception as error:
        if (sentence := outage(error)) is None:
            raise
        raise UserError(sentence) from None


def outage(error: BaseException) -> str | None:
    """What is to be said of an error that a store made; None of any other.

    Args:
        error: with those that led to it.
    """
    causes = list(_causes(error))
    # Whoever has found words for it already is not corrected.
    if isinstance(error, UserError):
        return None
    reason = " ".join(str(causes[-1]).split()) or type(causes[-1]).__name__
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
            return _full(cause)
        if type(cause).__module__.partition(".")[0] in _OBJECT_STORE:
            return f"the artifact store {_artifact_store()} does not answer as it should ({reason}); {_GOES_ON}."
        if type(cause).__name__ == "MlflowException" and str(cause).startswith("API request to"):
            return f"MLflow's server does not answer as it should ({reason}); {_GOES_ON}."
    return None


def _full(error: OSError) -> str:
    try:
        with explain_full_disk(Path(error.filename or locate().root)):
            raise error
    except UserError as explained:
        return explained.message


def _artifact_store() -> str:
    (store,) = Client().active_stack_model.components[StackComponentType.ARTIFACT_STORE]
    return str(store.configuration.get("path") or store.name)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
