"""Tell a webhook that a scheduled run has failed; Slack's incoming webhooks understand it too."""

from __future__ import annotations

import json
import urllib.request
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit

from quality_gate.errors import UserError

WEBHOOK_VARIABLE = "QUALITY_GATE_WEBHOOK_URL"
TIMEOUT_S = 10


def post_failure(url: str, text: str, facts: dict[str, str | int | None]) -> None:
    """Post JSON: ``text``, which people read, and the facts beside it.

    Args:
        url: of the webhook, which is a secret.
        text: the message.
        facts: for programs.

    Raises:
        UserError: the URL is none of HTTPS, or the webhook does not take it; the message keeps the URL to itself.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme != "https":
        raise UserError(f"{WEBHOOK_VARIABLE} is no URL of HTTPS; expected https://…")
    body = json.dumps({"text": text, **facts}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - HTTPS, see above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            pass
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(error, HTTPError):
            # It is the answer too, and holds the connection.
            error.close()
        # Of an HTTP status, a name that is not found, or a certificate; none of them repeats the URL. Messages may.
        reason = getattr(error, "reason", None) or type(error).__name__
        raise UserError(f"The webhook of {WEBHOOK_VARIABLE} did not take the message ({reason}).") from None
