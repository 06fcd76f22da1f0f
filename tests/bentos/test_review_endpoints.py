"""What the review page asks of the service, in this process."""

import json
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from quality_gate.data.image_facts import audit_bytes
from quality_gate.data.scenes import encode_scene
from quality_gate.monitoring.prediction_log import PredictionLog
from quality_gate.review.reading import Reviews

PHOTOS = [encode_scene("tomato", seed, size=64) for seed in range(3)]
IDS = [audit_bytes(photo).image_id for photo in PHOTOS]
ANA, BEN = "ana:0123456789abcdef", "ben:fedcba9876543210"
GATE = "visual_quality_gate"


@pytest.fixture
def log(tmp_path):
    with PredictionLog.open(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


@pytest.fixture
def waiting(tmp_path, log, make_prediction):
    """Photos that were answered and kept for review, as the sink leaves them."""
    for photo, image_id in zip(PHOTOS, IDS, strict=True):
        file = tmp_path / "photos" / image_id[:2] / image_id
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photo)
        log.write([make_prediction(image_sha256=image_id, gate=GATE, review_reason="review")])
    return tmp_path / "photos"


@pytest.fixture
def post(ask):
    """Posts JSON, as who has a key or as the local user, from a desk."""

    def post(path, desk, who=None, **body):
        settings = {"api_keys": [ANA, BEN]} if who else {}
        headers = {"x-api-key": who.split(":")[1]} if who else {}
        options = {name: body.pop(name) for name in ("client", "application") if name in body}
        content = json.dumps({"desk": desk} | body)
        return ask("POST", path, content=content, kind="application/json", headers=headers, **options, **settings)

    return post


def said(photo, verdict="label", label="onion", **changes):
    return {"id": str(uuid4()), "photo": photo, "verdict": verdict, "label": label} | changes


def test_a_review_goes_from_the_photo_to_the_label_and_back(post, ask, waiting, log):
    desk = str(uuid4())
    turn = post("/review/next", desk, ANA).json()
    assert (turn["reviewer"], turn["waiting"], turn["photo"]["sha256"]) == ("ana", 3, IDS[0])
    assert turn["classes"] == ["onion", "potato", "tomato"]
    assert [one["label"] for one in turn["photo"]["best"]] == ["potato", "onion", "tomato"]

    answer = said(IDS[0])
    assert post("/review/record", desk, ANA, **answer).json() == {"id": answer["id"]}
    assert post("/review/record", desk, ANA, **answer).status_code == 200
    (review,) = Reviews(log.database, GATE).by_photo()[IDS[0]]
    assert (review.reviewer, review.label, review.source) == ("ana", "onion", "desk")
    assert post("/review/next", desk, ANA).json()["photo"]["sha256"] == IDS[1]

    turn = post("/review/undo", desk, ANA, id=answer["id"]).json()
    assert (turn["waiting"], turn["photo"]["sha256"]) == (3, IDS[0])
    assert Reviews(log.database, GATE).by_photo() == {}


def test_two_people_never_get_the_same_photo(post, waiting):
    first, second = (post("/review/next", str(uuid4()), who).json() for who in (ANA, BEN))
    assert (first["reviewer"], second["reviewer"]) == ("ana", "ben")
    assert first["photo"]["sha256"] != second["photo"]["sha256"]


def test_without_keys_whoever_runs_the_service_reviews_on_its_machine_alone(post, ask, waiting, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "carla")
    assert post("/review/next", str(uuid4())).json()["reviewer"] == "carla"
    for path, body in (("/review/next", {}), ("/review/record", said(IDS[0])), ("/review/undo", {"id": str(uuid4())})):
        refused = post(path, str(uuid4()), client=("192.0.2.7", 1), **body)
        assert refused.status_code == 403
        assert "QUALITY_GATE_API_KEYS" in refused.json()["error"]
    assert ask("GET", f"/review/photo?photo={IDS[0]}", client=("192.0.2.7", 1)).status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:3000", 200),
        ("[::1]:3000", 200),
        ("elsewhere.example:3000", 403),
        ("localhost.example", 403),
        ("[", 403),
    ],
)
def test_without_keys_no_page_from_elsewhere_reviews_by_a_name_that_leads_here(ask, waiting, host, status):
    body = json.dumps({"desk": str(uuid4())})
    answer = ask("POST", "/review/next", content=body, kind="application/json", headers={"host": host})
    assert answer.status_code == status


def test_a_system_that_knows_no_name_of_its_user_has_a_number(post, waiting, monkeypatch):
    def nobody():
        raise OSError("no user name")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert post("/review/next", str(uuid4())).json()["reviewer"].startswith("user ")


def test_with_keys_nothing_is_shown_without_one(ask, waiting):
    for method, path in (("POST", "/review/next"), ("GET", f"/review/photo?photo={IDS[0]}")):
        assert ask(method, path, api_keys=[ANA], kind="application/json").status_code == 401


def test_a_photo_comes_as_it_was_sent_and_can_be_nothing_but_a_picture(ask, waiting):
    response = ask("GET", f"/review/photo?photo={IDS[0]}")
    assert response.content == PHOTOS[0]
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("query", ["", "?photo=", "?photo=../../log.db", f"?photo={'f' * 64}"])
def test_what_is_not_kept_is_told(ask, waiting, query):
    response = ask("GET", f"/review/photo{query}")
    assert response.status_code == 404
    assert response.json()["error"].startswith("The file of this photo is not here")


def test_a_photo_whose_file_was_deleted_is_passed_over(post, waiting):
    desk = str(uuid4())
    (waiting / IDS[0][:2] / IDS[0]).unlink()
    assert post("/review/next", desk).json()["photo"]["sha256"] == IDS[1]
    for image_id in IDS[1:]:
        (waiting / image_id[:2] / image_id).unlink()
    turn = post("/review/next", desk).json()
    assert (turn["photo"], turn["waiting"], turn["missing"]) == (None, 0, 3)


def test_metrics_tell_what_waits_and_what_somebody_looks_at(post, ask, waiting):
    post("/review/next", str(uuid4()), ANA)
    (waiting / IDS[1][:2] / IDS[1]).unlink()
    exposed = ask("GET", "/metrics").text
    assert "quality_gate_review_waiting 2.0" in exposed
    assert "quality_gate_review_leased 1.0" in exposed


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (said(IDS[0], label="carrot"), 422, "'carrot' is no class of visual_quality_gate; its classes are onion,"),
        (said(IDS[0], label=None), 422, "label is None with the verdict 'label'"),
        (said(IDS[0], verdict="skip"), 422, "label is 'onion' with the verdict 'skip'"),
        (said(IDS[0], verdict="maybe"), 422, "verdict: Input should be 'label', 'unknown' or 'skip'"),
        (said("f" * 64), 404, "f" * 64 + ": no photo with this SHA-256 is for review"),
        (said("../etc"), 422, "photo: String should match pattern"),
        (said(IDS[0], id="7"), 422, "id: String should match pattern"),
        (said(IDS[0], colour="red"), 422, "colour: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_kept_is_told_in_one_sentence(post, waiting, body, status, sentence):
    response = post("/review/record", str(uuid4()), **body)
    assert response.status_code == status
    assert response.json()["error"].startswith(sentence)
    assert response.json()["error"].endswith(".")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"7", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b"[" * 9_000, "application/json", 422),
        (b" " * 10_001, "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
    ],
)
def test_a_body_that_is_no_question_is_refused(ask, waiting, content, kind, status):
    response = ask("POST", "/review/next", content=content, kind=kind)
    assert response.status_code == status
    assert response.json()["error"].endswith(".")


def test_nobody_takes_back_what_others_said(post, waiting):
    answer = said(IDS[0])
    post("/review/record", str(uuid4()), ANA, **answer)
    refused = post("/review/undo", str(uuid4()), BEN, id=answer["id"])
    assert (refused.status_code, refused.json()["error"]) == (404, "ben gave no review with this id.")


def test_a_database_that_is_away_is_told_and_found_again(post, tmp_path):
    (tmp_path / "log.db").mkdir()
    response = post("/review/next", str(uuid4()))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()["error"].startswith("The database of the reviews does not answer now")
    (tmp_path / "log.db").rmdir()
    assert post("/review/next", str(uuid4())).json()["waiting"] == 0


def test_answers_are_as_described(ask, post, waiting):
    document = ask("GET", "/openapi.json").json()
    desk, answer = str(uuid4()), said(IDS[0])
    for path, body in (("next", {}), ("record", answer), ("undo", {"id": answer["id"]})):
        content = document["paths"][f"/review/{path}"]["post"]["responses"]["200"]["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        found = Draft202012Validator(schema).iter_errors(post(f"/review/{path}", desk, **body).json())
        assert [error.message for error in found] == []
