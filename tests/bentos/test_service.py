"""A real server of a real Bento, asked over the loopback."""

import base64
import io
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
from PIL import Image

from quality_gate.explanation.class_activation import open_class_activation
from quality_gate.explanation.overlay import overlay, seen_pixels
from quality_gate.inference import OnnxClassifier
from quality_gate.models.manifest import ModelManifest
from quality_gate.preprocess import preprocess


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
        turned(),
    ],
    ids=["jpeg", "png", "transparent", "grey", "palette", "cmyk", "webp", "turned"],
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

    assert response.status_code in (415, 422)


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
        # The first photo may be taken before them, and leave its place free: they go on coming.
        for _ in range(100):
            answered = predict(client, encoded(quarters())).status_code
            if answered == 429:
                break
            stack.enter_context(server.begin_request(body, 100))
        assert answered == 429
        assert client.get("/livez").status_code == 200


def test_clients_that_went_away_leave_their_places_to_others(server, client):
    for _ in range(40):
        server.begin_request(form(encoded(quarters())), 100).close()

    assert 200 in statuses(client, until=200)


@pytest.mark.parametrize("path", ["/", "/model", "/metrics", "/livez", "/openapi.json"])
def test_the_head_of_an_answer_can_be_asked_for_alone(client, path):
    response = client.head(path)

    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_health_and_metrics_are_answered(client, path):
    assert client.get(path).status_code == 200


def test_the_model_describes_itself(client, built):
    description = client.get("/model").json()

    assert description["version"] == "1"
    assert description["classes"] == ["onion", "potato", "tomato"]
    assert description["routing"]["threshold"] == 0.6
    assert description["digests"]["data"] == "d" * 64
    assert description["metrics"] is None
    assert description["explains"] is True
    assert description["limits"]["formats"] == ["JPEG", "PNG", "WEBP"]
    assert description["limits"]["max_pixels"] == 50_000_000


def test_a_photo_as_the_body_is_answered_as_one_in_a_form(client):
    photo = encoded(quarters())
    bare = client.post("/predict", content=photo, headers={"content-type": "image/jpeg"})

    assert bare.status_code == 200
    assert bare.json() == predict(client, photo).json()


def test_a_batch_gets_an_answer_or_an_error_for_each_photo_in_order(client):
    good, other = encoded(quarters()), encoded(quarters(3), "PNG")
    sent = [("good.jpg", good), ("../bad.jpg", b"no photo"), ("other.png", other), ("cut.jpg", good[:300])]

    response = client.post("/predict_batch", files=[("images", photo) for photo in sent])

    assert response.status_code == 200
    answers = response.json()["answers"]
    assert [item["name"] for item in answers] == [name for name, _ in sent]
    assert [item["status"] for item in answers] == [200, 422, 200, 422]
    assert answers[0]["answer"] == predict(client, good).json()
    assert answers[2]["answer"] == predict(client, other).json()
    assert "not a photo" in answers[1]["error"]
    assert "answer" not in answers[1]


def test_a_batch_has_a_limit(client):
    photo = encoded(quarters())

    assert client.post("/predict_batch", files=[("images", photo)] * 32).status_code == 200
    response = client.post("/predict_batch", files=[("images", photo)] * 33)
    assert response.status_code == 422
    assert "at most 32 photos" in error(response)


def test_an_explanation_spreads_the_logit_over_the_photo(client, built):
    photo = encoded(quarters(4), "PNG")

    given = client.post("/explain", files={"image": photo}).json()

    explainer = open_class_activation(built.model)
    tensor = preprocess(photo, ModelManifest.load(built.model).preprocessing)[0]
    index = ["onion", "potato", "tomato"].index(given["label"])
    assert given["answer"] == predict(client, photo).json()
    assert given["label"] == given["answer"]["label"]
    assert np.allclose(given["map"], explainer.maps(tensor, (index,))[0], atol=1e-5)
    logits = explainer.session.run(["logits"], {"photos": tensor[None]})[0][0]
    assert np.mean(given["map"]) + explainer.bias[index] == pytest.approx(logits[index], abs=1e-4)
    picture = Image.open(io.BytesIO(base64.b64decode(given["overlay"])))
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    seen = seen_pixels(tensor, ModelManifest.load(built.model).preprocessing)
    assert np.array_equal(picture, overlay(seen, np.array(given["map"])))


def test_any_label_can_be_explained_and_as_a_picture(client):
    photo = encoded(quarters(4), "PNG")
    maps = {}
    for label in ("onion", "potato", "tomato"):
        given = client.post("/explain", params={"label": label, "overlay": "false"}, files={"image": photo}).json()
        assert (given["label"], given["overlay"]) == (label, None)
        maps[label] = given["map"]
    assert len({str(values) for values in maps.values()}) == 3

    picture = client.post("/explain?label=onion", files={"image": photo}, headers={"accept": "image/png"})
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (32, 32)


def test_a_threshold_can_be_raised_by_a_request_and_never_lowered(client, classifier):
    photo = next(
        photo
        for photo in (encoded(quarters(seed), "PNG") for seed in range(100))
        if 0.6 < classifier.predict([photo])[0].confidence < 0.99
    )

    assert predict(client, photo).json()["decision"] == "accept"
    raised = client.post("/predict?threshold=0.99", files={"image": photo})
    in_the_form = client.post("/predict", files={"image": photo}, data={"threshold": "0.99"})
    batch = client.post("/predict_batch?threshold=0.99", files={"images": photo}).json()["answers"][0]["answer"]
    lowered = client.post("/predict?threshold=0.5", files={"image": photo})

    assert [answer["decision"] for answer in (raised.json(), in_the_form.json(), batch)] == ["review"] * 3
    assert lowered.status_code == 422
    assert "certified threshold 0.6" in error(lowered)


def test_the_id_of_a_request_is_sent_back_and_stands_in_the_log(server, client):
    sent = client.post("/predict", files={"image": encoded(quarters())}, headers={"x-request-id": "belt-7.42"})
    refused = client.get("/nothing", headers={"x-request-id": "has spaces"})

    assert sent.headers["x-request-id"] == "belt-7.42"
    assert len(refused.headers["x-request-id"]) == 32
    line = next(line for line in server.lines if line["request_id"] == "belt-7.42")
    assert line["endpoint"] == "predict"
    assert line["status"] == 200
    assert line["decision"] in ("accept", "review")
    assert line["ms"] > 0


def metric(client, name):
    """The value of a metric, named with its labels in alphabetical order."""
    lines = client.get("/metrics").text.splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(name + " ")), 0))


def test_metrics_count_requests_answers_and_what_was_seen(client):
    names = [
        'quality_gate_requests_total{endpoint="predict",status="200"}',
        'quality_gate_requests_total{endpoint="predict",status="422"}',
        'quality_gate_request_seconds_count{endpoint="predict"}',
        "quality_gate_confidence_count",
        "quality_gate_brightness_count",
    ]
    before = [metric(client, name) for name in names]
    answer = predict(client, encoded(quarters())).json()
    predict(client, b"no photo")
    labels = f'decision="{answer["decision"]}",label="{answer["label"]}",model_version="visual_quality_gate:1"'

    assert [metric(client, name) - value for name, value in zip(names, before, strict=True)] == [1, 1, 2, 1, 1]
    assert metric(client, f"quality_gate_decisions_total{{{labels}}}") >= 1
    assert metric(client, "quality_gate_queue_depth") == 0


def test_addresses_a_client_makes_up_add_no_metric(client):
    client.get("/made-up-by-me")
    text = client.get("/metrics").text

    assert "made-up" not in text
    assert 'endpoint="unknown",status="404"' in text


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
    assert "defect" not in server.log.read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
