import csv
import hashlib
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from quality_gate.data.sources import discover
from quality_gate.data_settings import DataSettings
from quality_gate.retraining.operational_photos import PHOTOS_FOLDER, update_operational_photos
from quality_gate.review.photos import PhotoStore
from quality_gate.review.verdict import Review

CLASSES = ("onion", "potato", "tomato")
MORNING = datetime(2026, 3, 5, 8, tzinfo=UTC)
# Photos by their SHA-256.
PHOTOS = {hashlib.sha256(data).hexdigest(): data for data in (b"one", b"two", b"three")}
ONE, TWO, THREE = PHOTOS


@pytest.fixture
def store(tmp_path):
    store = PhotoStore(tmp_path / "waiting", max_bytes=10**6, retention=timedelta(days=1))
    for image_sha256, data in PHOTOS.items():
        store.keep(image_sha256, data)
    return store


@pytest.fixture
def update(store, tmp_path, make_prediction):
    """Updates from {photo: {reviewer: label}}; the model had answered onion to everything."""
    answers = [
        make_prediction(image_sha256=photo, label="onion", review_reason="review", review_share=1.0) for photo in PHOTOS
    ]

    def run(said, classes=CLASSES):
        reviews = {photo: [review(photo, *one) for one in given.items()] for photo, given in said.items()}
        return update_operational_photos(tmp_path / "operational", reviews, answers, store, classes)

    return run


def review(photo, reviewer, label):
    return Review(uuid4(), MORNING, photo, reviewer, "label" if label else "unknown", label)


def rows(result):
    with result.labels_file.open(newline="") as file:
        return {row["path"].removeprefix(f"{PHOTOS_FOLDER}/"): row for row in csv.DictReader(file)}


def test_a_labelled_photo_joins_with_its_bytes_and_who_said_what_when(update):
    result = update({ONE: {"ana": "potato"}})
    row = rows(result)[ONE]
    assert (row["label"], row["reviewers"], row["reviewed"]) == ("potato", "ana", "2026-03-05T08:00:00+00:00")
    assert (row["answer"], row["reason"]) == ("onion", "review")
    assert (result.labels_file.parent / row["path"]).read_bytes() == PHOTOS[ONE]


def test_no_name_of_a_reviewer_is_a_formula_in_a_spreadsheet(update):
    assert rows(update({ONE: {"=cmd()": "potato"}}))[ONE]["reviewers"] == "'=cmd()"


def test_the_dataset_is_a_source_of_photos(update):
    result = update({ONE: {"ana": "potato"}, TWO: {"ana": "onion"}})
    source = discover(result.labels_file, DataSettings())
    assert {(file.path, file.label) for file in source.files} == {
        (f"{PHOTOS_FOLDER}/{ONE}", "potato"),
        (f"{PHOTOS_FOLDER}/{TWO}", "onion"),
    }


def test_a_photo_stays_when_it_no_longer_waits_for_review(update, store):
    update({ONE: {"ana": "potato"}})
    store.path(ONE).unlink()
    assert update({ONE: {"ana": "potato"}}).labels == {ONE: "potato"}


def test_a_photo_that_is_held_back_is_kept_for_the_day_it_no_longer_is(update, store):
    update({ONE: {"ana": "potato", "ben": "onion"}, TWO: {"ana": "tomato"}}, classes=("onion", "potato"))
    for photo in (ONE, TWO):
        store.path(photo).unlink()
    assert update({ONE: {"ana": "potato", "ben": "potato"}, TWO: {"ana": "tomato"}}).labels == {
        ONE: "potato",
        TWO: "tomato",
    }


def test_a_photo_whose_label_is_taken_back_is_no_longer_named(update):
    update({ONE: {"ana": "potato"}, TWO: {"ana": "onion"}})
    assert rows(update({TWO: {"ana": "onion"}})).keys() == {TWO}


def test_photos_on_which_reviewers_disagree_are_held_back_and_listed(update):
    result = update({ONE: {"ana": "potato", "ben": "onion"}, TWO: {"ana": "onion", "ben": "onion"}})
    assert result.labels == {TWO: "onion"}
    assert [(one.image_sha256, one.labels) for one in result.disagreements] == [
        (ONE, {"ana": "potato", "ben": "onion"})
    ]


def test_who_could_not_tell_does_not_contradict_who_could(update):
    result = update({ONE: {"ana": None, "ben": "potato"}, TWO: {"ana": None}})
    assert (result.labels, result.unclear) == ({ONE: "potato"}, 1)
    assert rows(result)[ONE]["reviewers"] == "ben"


def test_a_photo_that_was_deleted_before_it_could_be_kept_is_missing(update, store):
    store.path(ONE).unlink()
    result = update({ONE: {"ana": "potato"}, TWO: {"ana": "onion"}})
    assert (result.missing, result.labels) == ((ONE,), {TWO: "onion"})


def test_a_label_that_the_champion_does_not_have_is_held_back(update):
    result = update({ONE: {"ana": "tomato"}}, classes=("onion", "potato"))
    assert (result.foreign, result.labels) == ({ONE: "tomato"}, {})


def test_answers_that_were_wrong_are_known(update):
    result = update({ONE: {"ana": "potato"}, TWO: {"ana": "onion"}})
    assert result.mistaken == {ONE}


def test_the_summary_names_what_is_used_and_what_is_not(update, store):
    store.path(THREE).unlink()
    result = update({ONE: {"ana": "potato", "ben": "onion"}, TWO: {"ana": "potato"}, THREE: {"ana": "onion"}})
    assert result.summary() == [
        "1 photos of the operation are labelled (potato 1)",
        "1 of them had another answer",
        "1 are held back, because reviewers disagree",
        "1 are missing: their files were deleted before they could be kept",
    ]
