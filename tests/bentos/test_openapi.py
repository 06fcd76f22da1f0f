"""The interface as it is described is the interface as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from quality_gate.data.scenes import encode_scene

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
PHOTO = encode_scene("tomato", 3, size=64)
JSON = "application/json"


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def validator(document, schema):
    return Draft202012Validator({**schema, "components": document["components"]})


def test_every_address_is_described(document):
    assert set(document["paths"]) == {
        "/", "/predict", "/predict_batch", "/explain", "/model", "/metrics", "/openapi.json",
        "/review", "/review/next", "/review/record", "/review/undo", "/review/photo",
        "/healthz", "/livez", "/readyz",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/predict", "/predict_batch", "/explain", "/review/next", "/review/record", "/review/undo"]
)
def test_every_failure_is_described_with_an_example(document, path):
    responses = document["paths"][path]["post"]["responses"]

    assert set(responses) >= {"200", "400", "413", "415", "422", "429", "504"}
    for status, response in responses.items():
        if status != "200":
            content = response["content"][JSON]
            assert content["example"]["error"].endswith(".")
            assert validator(document, content["schema"]).is_valid(content["example"])
    assert "Retry-After" in responses["429"]["headers"]


def test_the_photo_is_described_as_a_file_and_as_the_body(document):
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]

    assert set(content) == {"multipart/form-data", "image/jpeg", "image/png", "image/webp"}
    assert content["multipart/form-data"]["schema"]["required"] == ["image"]
    assert content["multipart/form-data"]["schema"]["properties"]["image"]["format"] == "binary"


@pytest.mark.parametrize("path", ["/predict", "/predict_batch", "/explain"])
def test_what_is_described_is_all_that_a_request_may_say(client, document, path):
    operation = document["paths"][path]["post"]
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    described = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
    files = {schema["required"][0]: PHOTO}

    of_the_query = client.post(f"{path}?other=1", files=files)
    of_the_form = client.post(path, files=files, data={"other": "1"})

    assert schema["additionalProperties"] is False
    assert (of_the_query.status_code, of_the_form.status_code) == (422, 422)
    assert of_the_query.json()["error"].endswith(f"; expected {', '.join(described)}.")
    assert of_the_form.json()["error"].endswith(f"; expected {', '.join(schema['properties'])}.")


def test_the_examples_are_what_their_schemas_say(document):
    examples = {name: schema for name, schema in document["components"]["schemas"].items() if "example" in schema}

    assert set(examples) == {"Answer", "BatchAnswer", "Explanation", "Turn", "Kept"}
    for name, schema in examples.items():
        assert validator(document, schema).is_valid(schema["example"]), name


@pytest.mark.parametrize("path", ["/review/next", "/review/record", "/review/undo"])
def test_what_is_asked_in_json_is_described_with_an_example(document, path):
    schema = document["paths"][path]["post"]["requestBody"]["content"][JSON]["schema"]

    assert validator(document, schema).is_valid(schema["example"])


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("/predict", [("image", PHOTO)]),
        ("/predict_batch", [("images", PHOTO), ("images", b"no photo")]),
        ("/explain", [("image", PHOTO)]),
        ("/model", None),
    ],
)
def test_real_answers_are_what_the_schemas_say(client, document, path, files):
    response = client.post(path, files=files) if files else client.get(path)
    operation = document["paths"][path]["post" if files else "get"]

    assert response.status_code == 200
    found = validator(document, operation["responses"]["200"]["content"][JSON]["schema"]).iter_errors(response.json())
    assert [error.message for error in found] == []


@pytest.mark.slow
def test_schemathesis_finds_no_difference(server):
    # What it makes up as a photo is none, and rightly refused.
    checks = ["--exclude-checks", "positive_data_acceptance"]
    command = [sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
    options = ["--max-examples", "100", "--seed", "1", *checks]

    result = subprocess.run(
        [*command, *options], env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)}, capture_output=True, text=True
    )

    assert result.returncode == 0, result.stdout
