"""Limits on what clients may ask of a worker: the size of a body, and how many requests it holds at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from bentos.refusals import Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A connection that is closed while its client still sends loses the answer; after this long the client has had it.
_DRAIN_SECONDS = 2.0


class Slots:
    """Places for requests in a worker.

    Args:
        places: how many there are, 1 or more.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place; used in one event loop.

        Raises:
            Refusal: 429, all are taken.
        """
        if self._taken >= self._places:
            raise Refusal(429, "Too many requests are waiting; try again in a second.", {"Retry-After": "1"})
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def read_body(
    scope: Scope, receive: Receive, *, max_bytes: int, advice: str = "send a smaller photo, or fewer"
) -> bytes:
    """The whole body of a request.

    Args:
        scope: of the request.
        receive: hands out its body.
        max_bytes: largest body that is accepted, declared or sent in chunks.
        advice: what to do about one that is larger.

    Raises:
        Refusal: 413, the body is larger; 400, the client went away before it was complete.
    """
    if _declared_length(scope) > max_bytes:
        raise _too_large(max_bytes, advice)
    chunks: list[bytes] = []
    received, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "The request ended before its body was complete.")
        chunk = message.get("body", b"")
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes, advice)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def draining(receive: Receive, send: Send) -> Send:
    """A ``send`` that ends the response only when the client has stopped sending, or had time to read it."""

    async def send_and_drain(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_and_drain


async def _drain(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        pass


def _too_large(max_bytes: int, advice: str) -> Refusal:
    sentence = f"The request is larger than {max_bytes / 1e6:g} MB; {advice}."
    return Refusal(413, sentence, {"Connection": "close"})


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
