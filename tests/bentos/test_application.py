"""The application in this process, with settings and mishaps that a real server would need a start of its own for."""

import asyncio
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from bentos.answers import Answerer
from quality_gate.data.scenes import encode_scene
from quality_gate.errors import UserError

PHOTO = encode_scene("tomato", 3, size=64)
KEY = "0123456789abcdef"
FORM = "multipart/form-data; boundary=b"
PHOTO_FIELDS = {"/predict": "image", "/predict_batch": "images", "/explain": "image"}
KNOWN_OPTIONS = {"/predict": "threshold", "/predict_batch": "threshold", "/explain": "label, overlay"}


def form(*fields):
    """A form of pairs of a field's head and its content."""
    parts = [f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data for head, data in fields]
    return b"\r\n".join([*parts, b"--b--\r\n"])


def photo_field(path):
    return f'name="{PHOTO_FIELDS[path]}"; filename="a.jpg"', PHOTO


def log_lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/predict"), ("POST", "/explain"), ("GET", "/model"), ("GET", "/metrics")]
)
def test_with_keys_the_model_and_photos_need_one(ask, method, path):
    refused = ask(method, path, api_keys=[KEY])
    wrong = ask(method, path, api_keys=[KEY], headers={"x-api-key": KEY[:-1]})
    right = ask(method, path, api_keys=[KEY, "f" * 16], headers={"authorization": f"Bearer {KEY}"})

    assert (refused.status_code, wrong.status_code, right.status_code) == (401, 401, 200)
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "API key" in refused.json()["error"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/", "/page.js", "/openapi.json"])
def test_probes_and_the_page_need_no_key(ask, path):
    assert ask("GET", path, api_keys=[KEY]).status_code == 200


def test_what_is_nowhere_tells_nothing_of_keys(ask):
    assert ask("GET", "/nothing", api_keys=[KEY]).status_code == 404


def test_neither_keys_nor_names_nor_addresses_are_logged(ask, capsys):
    form = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="secret.jpg"\r\n\r\n' + PHOTO + b"\r\n--b--\r\n"
    )
    kind = "multipart/form-data; boundary=b"
    ask("POST", "/predict?threshold=0.98765", content=form, kind=kind, api_keys=[KEY], headers={"x-api-key": KEY})
    ask("POST", "/predict?note=hidden", content=form, kind=kind, api_keys=[KEY], headers={"x-api-key": KEY})
    ask("POST", "/predict", content=form, kind=kind, api_keys=[KEY], headers={"x-api-key": "wrong-" + KEY})
    ask("GET", "/private/address", api_keys=[KEY])

    said = capsys.readouterr().out
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(line["endpoint"], line["status"]) for line in lines] == [
        ("predict", 200), ("predict", 422), ("predict", 401), ("unknown", 404)
    ]  # fmt: skip
    assert not any(word in said for word in (KEY, "secret", "0.98765", "note", "hidden", "private"))


@pytest.mark.parametrize("path", PHOTO_FIELDS)
def test_a_parameter_that_is_none_is_refused_with_those_that_are(ask, sink, path):
    refused = ask("POST", f"{path}?treshold=0.99999", content=form(photo_field(path)), kind=FORM)

    assert refused.status_code == 422
    assert refused.json() == {"error": f"query: there is no parameter 'treshold'; expected {KNOWN_OPTIONS[path]}."}
    assert sink.kept == []


@pytest.mark.parametrize("head", ['name="treshold"', 'name="treshold"; filename="b.jpg"'], ids=["text", "file"])
@pytest.mark.parametrize("path", PHOTO_FIELDS)
def test_a_field_of_the_form_that_is_none_is_refused_with_those_that_are(ask, sink, path, head):
    refused = ask("POST", path, content=form(photo_field(path), (head, b"0.99999")), kind=FORM)

    assert refused.status_code == 422
    assert refused.json() == {
        "error": f"form: there is no field 'treshold'; expected {PHOTO_FIELDS[path]}, {KNOWN_OPTIONS[path]}."
    }
    assert sink.kept == []


@pytest.mark.parametrize(
    "query", ["treshold", "treshold=", "Threshold=0.99", "threshold=0.99&treshold=0.99", "image=x"]
)
def test_a_parameter_without_a_value_or_beside_a_right_one_or_of_the_form_is_refused_too(ask, query):
    refused = ask("POST", f"/predict?{query}")

    assert refused.status_code == 422
    assert "there is no parameter" in refused.json()["error"]


def test_a_refused_name_is_said_in_one_line_of_bounded_length(ask):
    refused = ask("POST", f"/predict?a%0Ab%E2%80%AE{'x' * 5000}=1")

    sentence = refused.json()["error"]
    assert sentence.startswith("query: there is no parameter 'a\\nb\\u202exxx")
    assert len(sentence) < 200


def test_an_option_sent_as_a_file_is_refused_and_not_ignored(ask):
    fields = photo_field("/predict"), ('name="threshold"; filename="t.txt"', b"0.99")

    refused = ask("POST", "/predict", content=form(*fields), kind=FORM)

    assert refused.status_code == 422
    assert refused.json() == {"error": "threshold: sent as a file; send it as text."}


@pytest.mark.parametrize("path", ["/", "/page.js", "/livez", "/readyz", "/metrics", "/model", "/openapi.json"])
def test_pages_probes_and_metrics_take_whatever_is_added_to_their_address(ask, path):
    assert ask("GET", f"{path}?treshold=1&utm=x").status_code == 200


def test_a_slow_body_gets_504_and_gives_its_place_back(model, ask, compose):
    application = compose(model, request_timeout_s=0.2, max_concurrency=1)

    async def slowly():
        yield PHOTO[:10]
        await asyncio.sleep(30)

    late = ask("POST", "/predict", application=application, chunks=slowly)
    next_one = ask("POST", "/predict", application=application)

    assert late.status_code == 504
    assert "longer than 0.2 seconds" in late.json()["error"]
    assert next_one.status_code == 200


def test_slow_work_gets_504(model, ask, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(Answerer, "read", lambda _self, _photo: ended.wait(30))

    late = ask("POST", "/predict", request_timeout_s=0.2, threads=1)
    ended.set()

    assert late.status_code == 504


@pytest.mark.parametrize("path", ["/predict", "/predict_batch", "/explain"])
def test_a_defect_is_500_without_its_trace_and_the_log_says_where(ask, capsys, monkeypatch, path):
    def broken(_self, _photo):
        raise RuntimeError("content of the photo")

    monkeypatch.setattr(Answerer, "read", broken)
    field = "images" if path == "/predict_batch" else "image"
    form = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="a"\r\n\r\nx\r\n--b--\r\n'.encode()
    response = ask("POST", path, content=form, kind="multipart/form-data; boundary=b")

    assert response.status_code == 500
    assert response.headers["x-request-id"] in response.json()["error"]
    defect, line = log_lines(capsys)
    assert (defect["defect"], line["status"]) == ("RuntimeError", 500)
    assert defect["request_id"] == line["request_id"] == response.headers["x-request-id"]
    assert "test_application.py" in defect["places"][-1]
    assert "content of the photo" not in json.dumps(defect)


def test_every_answer_is_recorded_before_it_is_given_and_503_where_it_cannot_be(model, ask, compose, sink):
    application = compose(model)
    bodies = {
        "/predict": b'--b\r\nContent-Disposition: form-data; name="image"; filename="belt/7.jpg"\r\n\r\n' + PHOTO,
        "/predict_batch": b'--b\r\nContent-Disposition: form-data; name="images"; filename="1.jpg"\r\n\r\n'
        + PHOTO
        + b'\r\n--b\r\nContent-Disposition: form-data; name="images"; filename="2.jpg"\r\n\r\nno photo',
    }
    options = {"application": application, "kind": "multipart/form-data; boundary=b"}

    given = [ask("POST", path, content=body + b"\r\n--b--\r\n", **options) for path, body in bodies.items()]
    explained = ask("POST", "/explain", application=application)
    sink.broken = True
    refused = [ask("POST", path, content=body + b"\r\n--b--\r\n", **options) for path, body in bodies.items()]

    assert [response.status_code for response in (*given, explained)] == [200, 200, 200]
    (single,), (batched,) = sink.kept
    assert single.answer.to_json() == given[0].json()
    assert (single.name, batched.name) == ("belt/7.jpg", "1.jpg")
    assert single.threshold == 0.6
    assert len(single.image_sha256) == 64
    assert (single.statistics.width, single.statistics.height) == (64, 64)
    assert 0 < single.latency_s < 60
    assert [response.status_code for response in refused] == [503, 503]
    assert refused[0].headers["retry-after"] == "5"


def test_photos_are_worked_on_while_other_answers_wait_for_the_disk(model, ask, compose, sink, monkeypatch):
    application = compose(model, threads=1)
    both_wait, keep = threading.Barrier(2), sink.record

    def record(answered):
        both_wait.wait(30)
        keep(answered)

    monkeypatch.setattr(sink, "record", record)
    with ThreadPoolExecutor(2) as clients:
        given = list(clients.map(lambda _: ask("POST", "/predict", application=application), range(2)))

    assert [response.status_code for response in given] == [200, 200]
    assert len(sink.kept) == 2


def test_formats_and_pixels_are_the_operators(ask, model):
    bmp = io.BytesIO()
    Image.new("RGB", (20, 10), (200, 0, 0)).save(bmp, "BMP")
    options = {"content": bmp.getvalue(), "kind": "image/bmp"}

    assert ask("POST", "/predict", **options).status_code == 422
    assert ask("POST", "/predict", formats=["JPEG", "BMP"], **options).status_code == 200
    assert "at most 199" in ask("POST", "/predict", formats=["BMP"], max_pixels=199, **options).json()["error"]
    assert ask("POST", "/predict", max_upload_mb=0.001).status_code == 413


def test_costs_send_answers_to_review(ask):
    assert ask("POST", "/predict").json()["decision"] == "accept"
    costs = {"review": 1, "wrong": dict.fromkeys(("onion", "potato", "tomato"), 1e6)}
    assert ask("POST", "/predict", costs=costs).json()["decision"] == "review"


def test_costs_of_another_model_stop_the_start(ask):
    with pytest.raises(UserError, match="'kiwi' is no label of the model"):
        ask("POST", "/predict", costs={"review": 1, "wrong": {"kiwi": 2}})


def test_a_model_without_exact_maps_says_so(ask, write_tiny_model, tmp_path):
    folder = write_tiny_model(tmp_path / "plain")

    assert ask("POST", "/predict", folder=folder).status_code == 200
    assert ask("GET", "/model", folder=folder).json()["explains"] is False
    refused = ask("POST", "/explain", folder=folder)
    assert refused.status_code == 422
    assert "no exact activation maps" in refused.json()["error"]


def test_metrics_of_the_test_photos_are_shown_where_the_bento_has_them(ask, write_tiny_model, tmp_path):
    folder = write_tiny_model(tmp_path / "measured")
    (folder / "metrics.json").write_text('{"macro_f1": 0.93}')

    assert ask("GET", "/model", folder=folder).json()["metrics"] == {"macro_f1": 0.93}
