import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse

from bentos.upload import read_photo

MULTIPART = "multipart/form-data; boundary=b"


def request(body, content_type, *, gone=False):
    async def receive():
        return {"type": "http.disconnect"} if gone else {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())] if content_type else []
    # BentoML's requests go through an application, which changes how Starlette reports a form it cannot read.
    return Request({"type": "http", "method": "POST", "headers": headers, "app": None}, receive)


def read(body=b"", content_type=MULTIPART, **options):
    """The bytes of the photo, or the response that refuses it; the form is closed, as BentoML does after an answer."""

    async def answer():
        incoming = request(body, content_type, **options)
        result = await read_photo(incoming)
        result = result.file.read() if isinstance(result, UploadFile) else result
        await incoming.close()
        return result

    return asyncio.run(answer())


def part(name, content, filename=None):
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def sentence(response):
    assert isinstance(response, JSONResponse)
    assert response.status_code == 422
    message = json.loads(response.body)["error"]
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_a_file_is_given_back_with_its_bytes():
    assert read(part("image", b"\xff\xd8bytes", "a.jpg") + b"--b--\r\n") == b"\xff\xd8bytes"


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", None, "'image' is missing"),
        (b'{"image": "http://127.0.0.1/a.jpg"}', "application/json", "'image' is missing"),
        (b"\xff\xd8\xff", "image/jpeg", "'image' is missing"),
        (part("photo", b"x", "a.jpg") + b"--b--\r\n", MULTIPART, "'image' is missing"),
        (part("image", b"http://127.0.0.1/a.jpg") + b"--b--\r\n", MULTIPART, "'image' holds text"),
        (b"image=http://127.0.0.1/a.jpg", "application/x-www-form-urlencoded", "'image' holds text"),
        (part("image", b"x") * 2 + b"--b--\r\n", MULTIPART, "sent 2 times"),
        (part("image", b"x", "a") * 2 + b"--b--\r\n", MULTIPART, "Too many files"),
        (part("image", b"x" * 2_000_000) + b"--b--\r\n", MULTIPART, "exceeded maximum size"),
        (b"no form at all", MULTIPART, "cannot be read"),
        (b"x", "multipart/form-data", "Missing boundary"),
    ],
)
def test_what_is_no_uploaded_file_is_refused_in_one_sentence(body, content_type, reason):
    assert reason in sentence(read(body, content_type))


# Starlette leaves the file of an unfinished part to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_form_that_ends_within_the_file_has_no_photo():
    assert "'image' is missing" in sentence(read(part("image", b"x", "a.jpg")))


def test_a_client_that_goes_away_while_sending_is_no_error():
    assert "before its body was complete" in sentence(read(gone=True))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(deadline=None, max_examples=50)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda noise: b"--b\r\n" + noise + b"\r\n--b--\r\n"),
        st.binary(max_size=60).map(
            lambda noise: b'--b\r\nContent-Disposition: form-data; name="image"; ' + noise + b"\r\n\r\nx\r\n--b--\r\n"
        ),
    ),
    content_type=st.sampled_from([MULTIPART, "multipart/form-data; boundary=", "application/x-www-form-urlencoded"]),
)
def test_whatever_bytes_come_the_answer_is_a_file_or_a_sentence(body, content_type):
    result = read(body, content_type)

    assert isinstance(result, bytes) or sentence(result)
