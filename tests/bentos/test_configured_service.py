"""A real server as an operator has set it up, and one that was set up wrongly."""

import os
import subprocess
import sys
import time

import httpx
import pytest

from quality_gate.data.scenes import encode_scene

PHOTO = encode_scene("tomato", 3, size=64)
KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def strict(serve):
    with serve(
        API_KEYS=f"another-key-012345,{KEY}", REQUEST_TIMEOUT_S="1", MAX_UPLOAD_MB="1", FORMATS="JPEG"
    ) as server:
        yield server


def test_a_key_opens_and_none_does_not(strict):
    for headers, expected in (({}, 401), ({"x-api-key": KEY}, 200), ({"authorization": f"Bearer {KEY}"}, 200)):
        answer = httpx.post(f"{strict.url}/predict", files={"image": PHOTO}, headers=headers)
        assert answer.status_code == expected

    assert KEY not in strict.log.read_text()


def test_a_client_that_sends_too_slowly_gets_504_and_the_worker_goes_on(strict):
    def drip():
        for byte in PHOTO[:100]:
            yield bytes([byte])
            time.sleep(0.1)

    headers = {"x-api-key": KEY, "content-type": "image/jpeg", "content-length": "5000"}
    began = time.monotonic()
    with httpx.Client(base_url=strict.url, timeout=30) as client:
        slow = client.post("/predict", content=drip(), headers=headers)
        assert slow.status_code == 504
        assert "its upload included" in slow.json()["error"]
        # The limit, and the time a client gets to read the answer.
        assert time.monotonic() - began < 10
        assert client.post("/predict", files={"image": PHOTO}, headers={"x-api-key": KEY}).status_code == 200


def test_the_operators_limits_are_shown_and_hold(strict):
    with httpx.Client(base_url=strict.url, headers={"x-api-key": KEY}) as client:
        assert client.get("/model").json()["limits"]["formats"] == ["JPEG"]
        too_large = client.post("/predict", content=bytes(1_000_001), headers={"content-type": "image/jpeg"})
        description = client.get("/openapi.json").json()

    assert too_large.status_code == 413
    assert "1 MB" in too_large.json()["error"]
    assert "401" in description["paths"]["/predict"]["post"]["responses"]
    assert list(description["paths"]["/explain"]["post"]["requestBody"]["content"]) == [
        "multipart/form-data", "image/jpeg"
    ]  # fmt: skip


def test_a_wrong_setting_stops_the_start_with_one_sentence(built, tmp_path):
    environment = {**os.environ, "BENTOML_HOME": str(built.home), "QUALITY_GATE_THREADS": "many"}
    command = [sys.executable, "-W", "ignore", "-m", "bentoml", "serve", "tomato-ripeness:latest", "--port", "0"]

    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    assert result.returncode == 1
    assert result.stderr.startswith("Error: QUALITY_GATE_THREADS: ")
    assert "Traceback" not in result.stderr
