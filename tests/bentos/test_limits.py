import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.limits import BodyLimit


async def _reading_app(scope, receive, send):
    """Reads the body and answers with its length; stops without an answer when the client goes."""
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        total += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(total).encode()})


def call(app, chunks, headers=()):
    """Send a body in chunks; return the status, the answer and the number of chunks that were read."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    sent = []
    read = 0

    async def receive():
        nonlocal read
        if read == len(messages):
            return {"type": "http.disconnect"}
        read += 1
        return messages[read - 1]

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "headers": list(headers)}, receive, send))
    starts = [message for message in sent if message["type"] == "http.response.start"]
    bodies = [message for message in sent if message["type"] == "http.response.body"]
    assert len(starts) == 1
    assert [bool(message.get("more_body")) for message in bodies] == [True] * (len(bodies) - 1) + [False]
    return starts[0]["status"], b"".join(message["body"] for message in bodies), read


@settings(deadline=None, max_examples=50)
@given(chunks=st.lists(st.binary(max_size=8), min_size=1, max_size=6))
def test_a_body_passes_whole_exactly_when_it_is_within_the_limit(chunks):
    length = sum(map(len, chunks))

    status, body, _ = call(BodyLimit(_reading_app, max_bytes=10), chunks)

    if length <= 10:
        assert (status, body) == (200, str(length).encode())
    else:
        assert status == 413


def test_a_declared_length_over_the_limit_never_reaches_the_application():
    async def application(scope, receive, send):
        pytest.fail("the application was called")

    status, body, _ = call(BodyLimit(application, max_bytes=2_000_000), [b"x"], [(b"content-length", b"2000001")])

    assert status == 413
    assert json.loads(body) == {"error": "The request is larger than 2 MB; send a smaller photo."}


def test_a_declared_length_at_the_limit_passes():
    status, _, _ = call(BodyLimit(_reading_app, max_bytes=1), [b"x"], [(b"content-length", b"1")])

    assert status == 200


def test_what_the_client_still_sends_is_read_so_that_it_gets_the_answer():
    status, _, read = call(BodyLimit(_reading_app, max_bytes=1), [b"xx"] * 5)

    assert (status, read) == (413, 5)


def test_a_client_that_stops_sending_does_not_hold_the_connection(monkeypatch):
    monkeypatch.setattr("bentos.limits._DRAIN_SECONDS", 0.01)
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": [(b"content-length", b"2")]}
    asyncio.run(asyncio.wait_for(BodyLimit(_reading_app, max_bytes=1)(scope, receive, send), 5))

    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert sent[-1]["more_body"] is False


def test_other_connections_are_passed_through():
    seen = []

    async def application(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(BodyLimit(application)({"type": "lifespan"}, None, None))

    assert seen == ["lifespan"]
