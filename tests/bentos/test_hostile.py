"""Whatever a client sends gets the status it deserves from a real server, whose worker lives on."""

import io
import re
import socket
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from quality_gate.data.scenes import encode_scene

JPEG = encode_scene("tomato", 3, size=96)
SCENE = Image.open(io.BytesIO(JPEG)).convert("RGB")


def encoded(kind, image=SCENE, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PNG, WEBP = encoded("PNG"), encoded("WEBP")


def other_size_in_the_header(kind, width, height):
    """A small photo whose header claims another size."""
    if kind == "PNG":
        header = struct.pack(">4sII", b"IHDR", width, height) + PNG[24:29]
        return PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]
    if kind == "JPEG":
        frame = JPEG.index(b"\xff\xc0")
        return JPEG[: frame + 5] + struct.pack(">HH", height, width) + JPEG[frame + 9 :]
    lossy = WEBP.index(b"VP8 ")
    return WEBP[: lossy + 14] + struct.pack("<HH", width, height) + WEBP[lossy + 18 :]


def png_with(kind, content):
    """A photo with one more chunk after its header."""
    chunk = struct.pack(">I", len(content)) + kind + content
    return PNG[:33] + chunk + struct.pack(">I", zlib.crc32(kind + content)) + PNG[33:]


def png_of_16_bits():
    header = PNG[12:24] + b"\x10" + PNG[25:29]
    return PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]


def jpeg_with_exif(payload):
    segment = b"Exif\x00\x00" + payload
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + JPEG[2:]


def exif(*entries):
    """A little-endian EXIF block of entries of 12 bytes each, and what they point to."""
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(68)


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("../../evil.sh", "rm -rf /")
    return buffer.getvalue()


def many_scans():
    progressive = encoded("JPEG", progressive=True)
    scan = progressive.rindex(b"\xff\xda")
    return progressive[:scan] + progressive[scan:-2] * 200 + progressive[-2:]


def grey16():
    return Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16)


TURNED = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
USABLE = {
    "plain jpeg": JPEG,
    "plain png": PNG,
    "plain webp": WEBP,
    "progressive jpeg": encoded("JPEG", progressive=True),
    "grey": encoded("JPEG", SCENE.convert("L")),
    "cmyk": encoded("JPEG", SCENE.convert("CMYK")),
    "palette": encoded("PNG", SCENE.convert("P")),
    "palette with transparency": encoded("PNG", SCENE.convert("P"), transparency=0),
    "grey with alpha": encoded("PNG", SCENE.convert("LA")),
    "one bit": encoded("PNG", SCENE.convert("1")),
    "one pixel": encoded("PNG", SCENE.crop((0, 0, 1, 1))),
    "one pixel high": encoded("PNG", SCENE.resize((5000, 1))),
    "turned by its exif": jpeg_with_exif(exif(TURNED)),
    "orientation out of range": jpeg_with_exif(exif(struct.pack("<HHIHH", 0x0112, 3, 1, 999, 0))),
    "orientation as text": jpeg_with_exif(exif(struct.pack("<HHI4s", 0x0112, 2, 4, b"up\x00\x00"))),
    "exif with zero by zero": jpeg_with_exif(exif(struct.pack("<HHII", 0x829A, 5, 1, 26))),
    "exif with nan": jpeg_with_exif(exif(struct.pack("<HHIf", 0x829A, 11, 1, float("nan")))),
    "exif of noise": jpeg_with_exif(bytes(range(256)) * 4),
    "exif that points beyond its end": jpeg_with_exif(exif(struct.pack("<HHII", 0x8769, 4, 1, 2**31))),
    "exif that points to itself": jpeg_with_exif(exif(struct.pack("<HHII", 0x8769, 4, 1, 8))),
    "exif of 65 kB": jpeg_with_exif(exif(TURNED) + bytes(65_000)),
    "jpeg and zip": JPEG + archive(),
    "jpeg and a page": JPEG + b"<html><script>alert(1)</script></html>",
    "jpeg with php in its comment": JPEG[:2] + b"\xff\xfe\x00\x16<?php phpinfo();?>  " + JPEG[2:],
    "png and a program": PNG + b"MZ" + bytes(1000),
    # Its last rows are grey: the decoder does not tell that a JPEG ends early where it ends properly.
    "higher than its data": other_size_in_the_header("JPEG", 96, 900),
    "webp with bytes after its end": WEBP + bytes(100),
}  # fmt: skip
UNUSABLE = {
    "empty": b"",
    "one byte": b"\xff",
    "zeros": bytes(100_000),
    "only markers": b"\xff\xd8" * 50_000,
    "text": b"this is no photo",
    "address": b"http://169.254.169.254/latest/meta-data/",
    "path": b"/etc/passwd",
    "json": b'{"image": "a.jpg"}',
    "page": b"<!doctype html><script>alert(1)</script>",
    "svg": SVG,
    "pdf": b"%PDF-1.7\n" + JPEG,
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(/etc/passwd) (r) file\n",
    "zip": archive(),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(60),
    "program": b"\x7fELF\x02\x01\x01" + bytes(100),
    "pickle": b"\x80\x05cposix\nsystem\n(S'id'\ntR.",
    "gif": encoded("GIF"),
    "gif and script": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)",
    "animated gif": encoded("GIF", save_all=True, append_images=[SCENE.rotate(90)]),
    "animated png": encoded("PNG", save_all=True, append_images=[SCENE.rotate(90)]),
    "animated webp": encoded("WEBP", save_all=True, append_images=[SCENE.rotate(90)]),
    "bmp": encoded("BMP"),
    "tiff": encoded("TIFF"),
    "ico": encoded("ICO"),
    "16 bit": encoded("PNG", grey16()),
    "16 bit colour": png_of_16_bits(),
    "32 bit tiff": encoded("TIFF", Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32))),
    "png bomb": encoded("PNG", Image.new("1", (10_000, 10_000))),
    "png bomb in its header": other_size_in_the_header("PNG", 2**31 - 1, 2**31 - 1),
    "jpeg bomb in its header": other_size_in_the_header("JPEG", 65_535, 65_535),
    "webp bomb in its header": other_size_in_the_header("WEBP", 16_383, 16_383),
    "png of no size": other_size_in_the_header("PNG", 0, 0),
    "jpeg of no size": other_size_in_the_header("JPEG", 0, 0),
    "thousands of scans": many_scans(),
    "text bomb": png_with(b"zTXt", b"comment\x00\x00" + zlib.compress(bytes(50_000_000))),
    "wrong checksum": PNG[:29] + b"\x00\x00\x00\x00" + PNG[33:],
    "noise after the header of a png": PNG[:33] + bytes(range(256)),
    "noise after the header of a webp": WEBP[:30] + bytes(range(256)),
    **{f"jpeg cut at {share}%": JPEG[: len(JPEG) * share // 100] for share in range(10, 100, 10)},
    **{f"png cut at {share}%": PNG[: len(PNG) * share // 100] for share in (5, 50, 95)},
    **{f"webp cut at {share}%": WEBP[: len(WEBP) * share // 100] for share in (5, 50, 95)},
}  # fmt: skip
FILES = {
    **{name: (data, 200) for name, data in USABLE.items()},
    **{name: (data, 422) for name, data in UNUSABLE.items()},
}

NAMES = {
    "traversal": b"../../../../etc/passwd",
    "windows traversal": b"..\\..\\windows\\system32\\config",
    "absolute": b"/etc/passwd",
    "address": b"http://127.0.0.1/a.jpg",
    "non-ascii": "фото 写真 🍅.jpg".encode(),
    "not utf-8": b"\xff\xfe\xfa.jpg",
    "right to left": "\u202egpj.exe".encode(),
    "nothing": b"",
    "a zero": b"a\x00.jpg",
    "script": b"<script>alert(1)</script>.jpg",
    "sql": b"'; DROP TABLE predictions; --",
    "format": b"%s%n${jndi:ldap://x}",
    "quotes": b'a\\"b.jpg',
    "long": b"x" * 3000,
}


def form(photo, *, field=b"image", name=b"a.jpg"):
    disposition = b'Content-Disposition: form-data; name="' + field + b'"; filename="' + name + b'"'
    return b"--b\r\n" + disposition + b"\r\n\r\n" + photo + b"\r\n--b--\r\n"


def request(body, *, path=b"/predict", method=b"POST", kind=b"multipart/form-data; boundary=b", head=b"", length=None):
    size = len(body) if length is None else length
    line = method + b" " + path + b" HTTP/1.1\r\nHost: gate\r\n"
    return line + b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n" % size + head + b"\r\n" + body


def chunked(chunks):
    head = b"POST /predict HTTP/1.1\r\nHost: gate\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


TEXT = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n%b\r\n--b--\r\n'
ONE = form(JPEG)
TWO = ONE.removesuffix(b"--b--\r\n") + ONE
REQUESTS = {
    "chunked": (chunked([ONE[:100], ONE[100:]]), 200),
    "raw photo": (request(JPEG, kind=b"image/jpeg"), 200),
    "raw photo of another type than it says": (request(PNG, kind=b"image/jpeg"), 200),
    "raw noise": (request(b"noise", kind=b"image/png"), 422),
    "boundary in quotes": (request(ONE, kind=b'multipart/form-data; boundary="b"'), 200),
    "a strange charset": (request(ONE, kind=b"multipart/form-data; boundary=b; charset=undefined"), 200),
    "missing field": (request(form(JPEG, field=b"photo")), 422),
    "two photos": (request(TWO), 422),
    "text in the field": (request(TEXT % b"tomato"), 422),
    "address in the field": (request(TEXT % b"http://127.0.0.1:1/a.jpg"), 422),
    "file address in the field": (request(TEXT % b"file:///etc/passwd"), 422),
    "data address in the field": (request(TEXT % b"data:image/png;base64,AAAA"), 422),
    "empty form": (request(b"--b--\r\n"), 422),
    "no body": (request(b""), 422),
    "another boundary": (request(ONE.replace(b"--b", b"--c")), 422),
    "no boundary": (request(ONE, kind=b"multipart/form-data"), 422),
    "huge boundary": (request(ONE, kind=b"multipart/form-data; boundary=" + b"b" * 5000), 422),
    "no last boundary": (request(ONE.removesuffix(b"--b--\r\n")), 422),
    "nested form": (request(ONE.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed\r\n\r\n", 1)), 200),
    "part without a name": (request(ONE.replace(b'name="image"; ', b"")), 422),
    "header of a part without a colon": (request(ONE.replace(b"Content-Disposition:", b"Content-Disposition")), 422),
    "enormous name": (request(form(JPEG, name=b"x" * 10_000)), 422),
    "a thousand fields": (request((TEXT % b"x").removesuffix(b"--b--\r\n").replace(b"image", b"f") * 1000), 422),
    "json": (request(b'{"image": "http://127.0.0.1/a.jpg"}', kind=b"application/json"), 415),
    "urlencoded": (request(b"image=http://127.0.0.1/a.jpg", kind=b"application/x-www-form-urlencoded"), 415),
    "pickle": (request(b"\x80\x05.", kind=b"application/vnd.bentoml+pickle"), 415),
    "a type of noise": (request(ONE, kind=b"\xff\xfe;;;=,"), 415),
    "declared too large": (request(ONE, length=20_000_001), 413),
    "declared absurdly large": (request(ONE, length=10**18), 413),
    "too large in chunks": (chunked([b"x" * 1_000_000] * 21), 413),
    "longer than it declares": (request(ONE, length=len(ONE) - 100), 400),
    "length that is no number": (request(ONE, head=b"X-A: b\r\n").replace(b"Length: ", b"Length: x"), 400),
    "chunk of no size": (chunked([ONE]).replace(b"\r\n\r\n", b"\r\n\r\nzz\r\n", 1), 400),
    "no http": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "threshold nan": (request(ONE, path=b"/predict?threshold=nan"), 422),
    "threshold infinite": (request(ONE, path=b"/predict?threshold=1e999"), 422),
    "threshold in words": (request(ONE, path=b"/predict?threshold=high"), 422),
    "threshold twice": (request(ONE, path=b"/predict?threshold=0.9&threshold=0.8"), 422),
    "threshold of digits without end": (request(ONE, path=b"/predict?threshold=" + b"9" * 5000), 422),
    "misspelt threshold": (request(ONE, path=b"/predict?treshold=0.9"), 422),
    "parameters without end": (request(ONE, path=b"/predict?" + b"&".join(b"%d" % n for n in range(5000))), 422),
    "parameter of noise": (request(ONE, path=b"/predict?%ff%00%0a%ed%a0%80=1"), 422),
    "photo in two fields": (request(ONE.removesuffix(b"--b--\r\n") + form(JPEG, field=b"\xff\r")), 422),
    "unknown label": (request(ONE, path=b"/explain?label=../../etc"), 422),
    "overlay perhaps": (request(ONE, path=b"/explain?overlay=perhaps"), 422),
    "batch in the wrong field": (request(ONE, path=b"/predict_batch"), 422),
    "batch of a bare photo": (request(JPEG, path=b"/predict_batch", kind=b"image/jpeg"), 415),
    "get": (request(b"", method=b"GET"), 405),
    "delete": (request(b"", method=b"DELETE", path=b"/model"), 405),
    "options": (request(b"", method=b"OPTIONS"), 405),
    "post to the page": (request(ONE, path=b"/"), 405),
    "post to a probe": (request(ONE, path=b"/readyz"), 405),
    "nothing there": (request(b"", method=b"GET", path=b"/admin"), 404),
    "schema of bentoml": (request(b"", method=b"GET", path=b"/schema.json"), 404),
    "traversal": (request(b"", method=b"GET", path=b"/../../etc/passwd"), 404),
    "encoded traversal": (request(b"", method=b"GET", path=b"/page.js/%2e%2e/%2e%2e/model.json"), 404),
    "the model file": (request(b"", method=b"GET", path=b"/model/model.onnx"), 404),
    "id with a line end": (request(ONE, head=b"X-Request-ID: a%0d%0aSet-Cookie: x\r\n"), 200),
    "enormous id": (request(ONE, head=b"X-Request-ID: " + b"a" * 5000 + b"\r\n"), 200),
    "accept of noise": (request(ONE, path=b"/explain", head=b"Accept: ;;q=,\xff\r\n"), 200),
}  # fmt: skip
for _name, _file_name in NAMES.items():
    REQUESTS[f"file name: {_name}"] = (request(form(JPEG, name=_file_name)), 200)


def exchange(server, sent, *, goes_away=False):
    """Send bytes on a connection of their own; the status, head and body of the answer, None if there is none."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(sent)
        if goes_away:
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            head = b"".join(iter(answer.readline, b"\r\n") if (start := answer.readline()) else ()).lower()
            length = re.search(rb"content-length: (\d+)", head)
            body = answer.read(int(length[1]) if length else -1) if start else b""
    return int(start[9:12]) if start else None, head, body


def check(answer, expected):
    status, head, body = answer
    assert status == expected
    assert b"<html" not in body or b"text/html" not in head
    assert b"Traceback" not in body
    if status is not None and status >= 400 and b"x-request-id" in head:
        assert b"content-type: application/json" in head
        assert body.startswith(b'{"error":"')


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(FILES) >= 70
    assert len(REQUESTS) >= 60


@pytest.mark.parametrize("name", FILES)
def test_a_file_gets_its_status(server, name):
    data, expected = FILES[name]

    check(exchange(server, request(form(data))), expected)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_gets_its_status(server, name):
    sent, expected = REQUESTS[name]

    check(exchange(server, sent), expected)


def test_a_client_that_goes_away_leaves_nothing_behind(server, client):
    assert exchange(server, request(ONE, length=len(ONE) + 100), goes_away=True) == (None, b"", b"")
    assert client.post("/predict", files={"image": JPEG}).status_code == 200


def test_the_same_worker_answers_the_whole_corpus_at_once_and_goes_on(server, client):
    workers = server.workers
    everything = [*((request(form(data)), expected) for data, expected in FILES.values()), *REQUESTS.values()]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda pair: exchange(server, pair[0]), everything))

    assert [answer[0] for answer in answers] == [expected for _, expected in everything]
    assert server.workers == workers != []
    assert client.post("/predict", files={"image": JPEG}).status_code == 200
    log = server.log.read_text()
    assert "Traceback" not in log
    assert '"defect"' not in log
    assert "passwd" not in log


@pytest.mark.slow
@settings(deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, len(JPEG) - 1), st.integers(0, 255)), min_size=1, max_size=40),
    cut=st.integers(0, 200),
    doubled=st.tuples(st.integers(0, len(JPEG) - 1), st.integers(0, 200)),
)
def test_a_damaged_jpeg_never_makes_the_server_fail(client, changes, cut, doubled):
    damaged = bytearray(JPEG)
    for place, value in changes:
        damaged[place] = value
    start, length = doubled
    damaged[start:start] = damaged[start : start + length]

    response = client.post("/predict", files={"image": ("a.jpg", bytes(damaged[: len(damaged) - cut]))})

    assert response.status_code in (200, 422), response.text
    assert set(response.json()) == {"error"} or response.json()["decision"] in ("accept", "review")
