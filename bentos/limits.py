"""Limits on what a client may send: an ASGI middleware, since BentoML has no limit of its own."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 20_000_000

# A connection that is closed while its client still sends loses the answer; after this long the client has had it.
_DRAIN_SECONDS = 2.0


class BodyLimit:
    """Answers 413 to a request whose body is larger than ``max_bytes``, declared or sent in chunks.

    Args:
        app: what the requests within the limit go to.
        max_bytes: largest body that is accepted, in bytes.
    """

    def __init__(self, app: App, *, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass the request on, and stop it where it grows over the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _declared_length(scope) > self._max_bytes:
            await self._refuse(scope, receive, send)
        else:
            await self._count(scope, receive, send)

    async def _count(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        received = 0
        answered = False
        refused = False

        async def counting_receive() -> Message:
            nonlocal received, refused
            if not refused:
                message = await receive()
                received += len(message.get("body", b""))
                refused = received > self._max_bytes and not answered
                if not refused:
                    return message
            # To the application the client has gone: it stops reading, and its own answer is not needed.
            return {"type": "http.disconnect"}

        async def watching_send(message: Message) -> None:
            nonlocal answered
            if not refused:
                answered = True
                await send(message)

        await self._app(scope, counting_receive, watching_send)
        if refused:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        sentence = f"The request is larger than {self._max_bytes / 1e6:g} MB; send a smaller photo."

        async def draining_send(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({**message, "more_body": True})
            await _drain(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        response = JSONResponse({"error": sentence}, status_code=413, headers={"connection": "close"})
        await response(scope, receive, draining_send)


async def _drain(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        pass


def _declared_length(scope: MutableMapping[str, Any]) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
