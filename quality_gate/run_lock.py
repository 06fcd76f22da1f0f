"""One run at a time for each gate."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from quality_gate.errors import UserError

LOCK_FILE = "run.lock"


@contextmanager
def only_run(folder: Path, name: str, *, use: str = "trained", key: str | None = "name") -> Iterator[None]:
    """Keep other runs of a gate away while the block lasts; the lock ends with the process, however that ends.

    Args:
        folder: of the gate's registry; made where it is not there.
        name: of the gate, for the message.
        use: what is being done with it, likewise.
        key: of the settings, which another run may set otherwise to go its own way; None where there is none.

    Raises:
        UserError: another process is at it; the message says which, since when, and what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(_sentence(name, use, key, file.read().split())) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {datetime.now(UTC).isoformat(timespec='seconds')}")
        file.flush()
        yield


def _sentence(name: str, use: str, key: str | None, holder: list[str]) -> str:
    # The holder may be about to write.
    process, since = holder if len(holder) == 2 else ("of unknown number", "just now")
    way_out = "or stop it" if key is None else f"stop it, or give this run another `{key}:`"
    return f"{name} is being {use} by the process {process} since {since}; wait until it is done, {way_out}."
