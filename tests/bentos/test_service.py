"""A real server of a real Bento, asked over the loopback."""

import io
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
from PIL import Image

from quality_gate.inference import OnnxClassifier


@pytest.fixture(scope="module")
def server(serve):
    with serve() as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def classifier(built):
    return OnnxClassifier(built.model)


def quarters(seed=0, size=(96, 64), mode="RGB"):
    """A photo whose four quarters differ, so that a turned or cropped one gets another answer."""
    colours = np.random.default_rng(seed).integers(0, 256, (2, 2, len(mode)), dtype=np.uint8)
    return Image.fromarray(colours, mode=None).resize(size, Image.Resampling.BILINEAR)


def encoded(image, name="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=name, **options)
    return buffer.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(quarters(), exif=exif)


def predict(client, photo):
    return client.post("/predict", files={"image": ("photo", photo)})


def error(response):
    """The one sentence of an answer that refuses."""
    assert set(response.json()) == {"error"}
    sentence = response.json()["error"]
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    "photo",
    [
        encoded(quarters()),
        encoded(quarters(1, (31, 200)), "PNG"),
        encoded(quarters(2, mode="RGBA"), "PNG"),
        encoded(quarters(3).convert("L")),
        encoded(quarters(4).convert("P"), "PNG"),
        encoded(quarters(5).convert("CMYK")),
        encoded(quarters(6), "WEBP"),
        encoded(quarters(7), "BMP"),
        turned(),
    ],
    ids=["jpeg", "png", "transparent", "grey", "palette", "cmyk", "webp", "bmp", "turned"],
)
def test_the_served_answer_is_the_models_own_for_the_same_bytes(client, classifier, photo):
    expected = classifier.predict([photo])[0].to_json()

    response = predict(client, photo)

    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["label", "confidence", "probabilities", "decision", "model_version"]
    assert answer.pop("probabilities") == pytest.approx(expected.pop("probabilities"), abs=1e-6)
    assert answer.pop("confidence") == pytest.approx(expected.pop("confidence"), abs=1e-6)
    assert answer == expected


def test_a_turned_photo_is_answered_as_it_is_seen(client):
    upright = predict(client, turned()).json()["probabilities"]
    raw = predict(client, encoded(quarters())).json()["probabilities"]

    assert max(abs(upright[label] - raw[label]) for label in raw) > 0.01


def test_latest_serves_the_model_packaged_last(client):
    assert predict(client, encoded(quarters())).json()["model_version"] == "visual_quality_gate:1"


def test_photos_sent_at_once_each_get_their_own_answer(client, classifier):
    photos = [encoded(quarters(seed), "PNG") for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda photo: predict(client, photo).json(), photos))

    for answer, decision in zip(answers, classifier.predict(photos), strict=True):
        assert answer["probabilities"] == pytest.approx(decision.probabilities, abs=1e-6)


def animated():
    return encoded(quarters(), "PNG", save_all=True, append_images=[quarters(1)])


def deep():
    return encoded(Image.fromarray(np.zeros((8, 8), dtype=np.uint16)), "PNG")


def bomb():
    """A picture of 100 megapixels in 12 kilobytes."""
    return encoded(Image.new("1", (10_000, 10_000)), "PNG")


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (b"", "empty"),
        (b"no photo at all", "not a photo"),
        (b"%PDF-1.7", "not a photo"),
        (encoded(quarters(), "GIF"), "not a photo"),
        (encoded(quarters(0, (400, 400)))[:2000], "truncated"),
        (encoded(quarters(), "PNG")[:40], "cannot be"),
        (animated(), "animated"),
        (deep(), "more than 8 bits"),
        (bomb(), "pixels"),
    ],
    ids=["empty", "text", "pdf", "gif", "truncated-jpeg", "truncated-png", "animated", "16-bit", "bomb"],
)
def test_a_file_that_is_no_usable_photo_gets_422_and_the_reason(client, photo, reason):
    response = predict(client, photo)

    assert response.status_code == 422
    assert reason in error(response)


@pytest.mark.parametrize(
    "request_options",
    [
        {},
        {"json": {"image": "photo.jpg"}},
        {"content": encoded(quarters()), "headers": {"content-type": "image/jpeg"}},
        {"files": {"photo": ("photo.jpg", encoded(quarters()))}},
        {"files": {"image": (None, "just text")}},
        {"data": {"image": "just text"}},
        {"files": [("image", ("a.jpg", encoded(quarters()))), ("image", ("b.jpg", encoded(quarters())))]},
        {"content": b"--x", "headers": {"content-type": "multipart/form-data"}},
    ],
    ids=["nothing", "json", "bare-photo", "other-field", "text-part", "urlencoded", "two-photos", "no-boundary"],
)
def test_a_request_without_one_uploaded_file_gets_422_that_names_the_field(client, request_options):
    response = client.post("/predict", **request_options)

    assert response.status_code == 422
    assert "'image'" in error(response)


@pytest.mark.parametrize("send", ["multipart", "urlencoded", "json", "text"])
def test_an_address_in_place_of_a_photo_is_never_fetched(client, send):
    with socket.create_server(("127.0.0.1", 0)) as bait:
        address = f"http://127.0.0.1:{bait.getsockname()[1]}/photo.jpg"
        options = {
            "multipart": {"files": {"image": (None, address)}},
            "urlencoded": {"data": {"image": address}},
            "json": {"json": {"image": address}},
            "text": {"content": address, "headers": {"content-type": "text/plain"}},
        }
        response = client.post("/predict", **options[send])
        bait.setblocking(False)
        with pytest.raises(BlockingIOError):
            bait.accept()

    assert response.status_code == 422


def test_a_pickle_is_never_loaded(client):
    headers = {"content-type": "application/vnd.bentoml+pickle"}

    assert client.post("/predict", content=b"\x80\x05.", headers=headers).status_code == 415


def test_a_body_over_the_limit_gets_413(client):
    response = predict(client, b"x" * 20_000_001)

    assert response.status_code == 413
    assert "20 MB" in error(response)


def test_a_body_over_the_limit_sent_in_chunks_gets_413(client):
    def body():
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        for _ in range(320):
            yield b"x" * 65_536

    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = client.post("/predict", content=body(), headers=headers)

    assert response.status_code == 413
    assert "20 MB" in error(response)


def form(photo):
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    return head + photo + b"\r\n--b--\r\n"


def statuses(client, *, until):
    """What one request after the other gets, until one gets ``until``: the server takes connections in its own time."""
    seen = set()
    for _ in range(200):
        seen.add(predict(client, encoded(quarters())).status_code)
        if until in seen:
            break
    return seen


def test_requests_beyond_the_concurrency_limit_get_429_while_health_is_answered(server, client):
    body = form(encoded(quarters()))
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(server.begin_request(body, 100))
        assert 429 in statuses(client, until=429)
        assert client.get("/livez").status_code == 200


def test_clients_that_went_away_leave_their_places_to_others(server, client):
    for _ in range(40):
        server.begin_request(form(encoded(quarters())), 100).close()

    assert 200 in statuses(client, until=200)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_health_and_metrics_are_answered(client, path):
    assert client.get(path).status_code == 200


def test_the_model_describes_itself(client, built):
    description = client.get("/model").json()

    assert description["version"] == "1"
    assert description["classes"] == ["onion", "potato", "tomato"]
    assert description["routing"]["threshold"] == 0.6
    assert description["digests"]["data"] == "d" * 64


def test_openapi_shows_the_photo_field_and_every_part_of_the_answer(client):
    operation = client.get("/docs.json").json()["paths"]["/predict"]["post"]
    form_schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    answer_schema = operation["responses"]["200"]["content"]["application/json"]["schema"]

    assert form_schema["properties"]["image"]["format"] == "binary"
    assert form_schema["required"] == ["image"]
    assert answer_schema["required"] == ["label", "confidence", "probabilities", "decision", "model_version"]
    assert answer_schema["properties"]["decision"]["enum"] == ["accept", "review"]


def test_only_the_loopback_is_listened_on_by_default(server):
    for other in socket.getaddrinfo(socket.gethostname(), server.port, family=socket.AF_INET, type=socket.SOCK_STREAM):
        if not other[4][0].startswith("127."):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(other[4], timeout=5)
    assert f"http://127.0.0.1:{server.port}" in server.log.read_text()


def test_mistakes_of_clients_leave_no_stack_trace_and_a_stop_finishes_the_request_in_flight(serve):
    with serve() as server:
        with httpx.Client(base_url=server.url) as client:
            predict(client, b"no photo")
            predict(client, b"x" * 20_000_001)
            client.post("/predict")
            client.post("/predict", content=b"--x", headers={"content-type": "multipart/form-data"})
        server.begin_request(form(b"photo"), 50).close()

        body = form(encoded(quarters()))
        with server.begin_request(body, 100) as connection:
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(body[100:])
            answer = connection.recv(65_536)
        status = server.process.wait(20)

    assert answer.startswith(b"HTTP/1.1 200")
    assert status == 0
    assert "Traceback" not in server.log.read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
