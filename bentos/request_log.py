"""One line of JSON a request. What clients send is never in it: no photo, no file name, no key, no address."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(sent: str | None) -> str:
    """The id a client sent where it is harmless, else a new one."""
    return sent if sent is not None and _ID.fullmatch(sent) else uuid4().hex


class RequestLog:
    """Writes to the standard output."""

    def __init__(self) -> None:
        # The reader of forms warns of what is told in the answer.
        logging.getLogger("python_multipart").setLevel(logging.ERROR)

    def write(self, **fields: Any) -> None:
        """Write a line; ``fields`` are plain values."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        # One write a line, so that those of several workers do not mix.
        sys.stdout.write(json.dumps({"time": now, **fields}) + "\n")
        sys.stdout.flush()

    def write_failure(self, request: str, error: BaseException) -> None:
        """Write where a defect showed; without the message of the error, which may repeat what a client sent."""
        places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        self.write(request_id=request, defect=type(error).__name__, places=places[-8:])
