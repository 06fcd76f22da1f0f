"""Is what was deployed what is served?"""

import json
import os
import time
import urllib.request
from http.client import HTTPException
from urllib.parse import urlsplit

from quality_gate.api_keys import split_key
from quality_gate.errors import UserError

KEYS_VARIABLE = "QUALITY_GATE_API_KEYS"
POLL_SECONDS = 0.2
WAIT_SECONDS = 60.0


def check_address(url: str) -> None:
    """Look whether a server could answer at an address, without asking it.

    Args:
        url: of the server, such as ``http://127.0.0.1:3000``.

    Raises:
        UserError: the address is none.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, or a port that is no number of one
        known = False
    if not known:
        raise UserError(f"{url} is no address of a server; expected one such as http://127.0.0.1:3000")


def wait_until_served(url: str, version: str, *, seconds: float = WAIT_SECONDS) -> None:
    """Ask a server for its model until it is the expected one.

    The first key of ``QUALITY_GATE_API_KEYS`` is sent where there is one.

    Args:
        url: of the server, such as ``http://127.0.0.1:3000``.
        version: number in the registry of the model that is expected.
        seconds: how long to ask.

    Raises:
        UserError: the address is none, no server answers there, or another model stays.
    """
    check_address(url)
    deadline = time.monotonic() + seconds
    while True:
        try:
            found, problem = _served_version(url), ""
        except (OSError, HTTPException, ValueError) as error:
            found, problem = None, str(error)
        if found == version:
            return
        if time.monotonic() > deadline:
            said = f"version {found}" if not problem else f"nothing that can be used ({problem})"
            raise UserError(
                f"{url} answers with {said} after {seconds:g} seconds, and version {version} was expected; the "
                "server's log says why. A server of another store or with other code has to be started again."
            )
        time.sleep(POLL_SECONDS)


def _served_version(url: str) -> str | None:
    request = urllib.request.Request(f"{url.rstrip('/')}/model")  # noqa: S310, the scheme was checked
    _, key = split_key(os.environ.get(KEYS_VARIABLE, "").split(",")[0].strip())
    if key:
        request.add_header("X-API-Key", key)
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        answer = json.load(response)
    if not isinstance(answer, dict):
        raise ValueError("no description of a model")
    version: str | None = answer.get("version")
    return version
