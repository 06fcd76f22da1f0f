"""A disk that is full is something a person can mend, so it is said in a sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quality_gate.errors import UserError
from quality_gate.home import HOME_VARIABLE


@contextmanager
def explain_full_disk(place: Path) -> Iterator[None]:
    """Say in one sentence that there is no room, instead of with the stack trace of whoever wrote.

    Args:
        place: the folder that is written to.

    Raises:
        UserError: the disk was full, or the quota used up.
    """
    try:
        yield
    except OSError as error:
        reasons = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
        if error.errno not in reasons:
            raise
        raise UserError(
            f"{place}: {reasons[error.errno]}; free some space, or set {HOME_VARIABLE} to a folder on a larger disk."
        ) from None
