import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.limits import Slots, draining, read_body
from bentos.refusals import Refusal


def receiving(chunks):
    """A ``receive`` that hands out a body in chunks, then says that the client has gone."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive, messages


def read(chunks, *, max_bytes, headers=()):
    receive, _ = receiving(chunks)
    return asyncio.run(read_body({"headers": list(headers)}, receive, max_bytes=max_bytes))


@settings(deadline=None, max_examples=50)
@given(chunks=st.lists(st.binary(max_size=8), min_size=1, max_size=6))
def test_a_body_passes_whole_exactly_when_it_is_within_the_limit(chunks):
    if sum(map(len, chunks)) <= 10:
        assert read(chunks, max_bytes=10) == b"".join(chunks)
    else:
        with pytest.raises(Refusal) as refused:
            read(chunks, max_bytes=10)
        assert refused.value.status == 413


def test_a_declared_length_over_the_limit_is_refused_before_anything_is_read():
    async def receive():
        pytest.fail("the body was read")

    with pytest.raises(Refusal, match="larger than 2 MB") as refused:
        asyncio.run(read_body({"headers": [(b"content-length", b"2000001")]}, receive, max_bytes=2_000_000))
    assert refused.value.status == 413


@pytest.mark.parametrize("declared", [b"1", b"", b"-5", b"1e9", b"\xff"])
def test_a_declared_length_within_the_limit_or_none_at_all_passes(declared):
    assert read([b"x"], max_bytes=1, headers=[(b"content-length", declared)]) == b"x"


def test_a_client_that_goes_away_is_no_failure():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(Refusal, match="before its body was complete") as refused:
        asyncio.run(read_body({"headers": []}, receive, max_bytes=1))
    assert refused.value.status == 400


def test_places_are_given_back_even_when_a_request_fails():
    slots = Slots(1)

    def fail_while_it_is_taken():
        with slots.take():
            with pytest.raises(Refusal) as refused, slots.take():
                pytest.fail("there was a second place")
            assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail_while_it_is_taken()
    with slots.take():
        pass


async def _respond(receive):
    sent = []

    async def send(message):
        sent.append(message)

    send_all = draining(receive, send)
    await send_all({"type": "http.response.start", "status": 413, "headers": []})
    await send_all({"type": "http.response.body", "body": b"no"})
    return sent


def test_what_the_client_still_sends_is_read_so_that_it_gets_the_answer():
    receive, left = receiving([b"xx"] * 5)
    sent = asyncio.run(_respond(receive))

    assert left == []
    assert [message.get("more_body") for message in sent] == [None, True, False]
    assert b"".join(message.get("body", b"") for message in sent) == b"no"


def test_a_client_that_stops_sending_does_not_hold_the_connection(monkeypatch):
    monkeypatch.setattr("bentos.limits._DRAIN_SECONDS", 0.01)

    async def receive():
        await asyncio.Event().wait()

    sent = asyncio.run(asyncio.wait_for(_respond(receive), 5))

    assert sent[-1]["more_body"] is False
