from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from quality_gate.data.photo_set import PhotoSets
from quality_gate.evaluation.calibrated import calibrate_manifest, other_certificates
from quality_gate.evaluation.calibration import fit_temperature
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.evaluation.routing import certify
from quality_gate.inference import OnnxClassifier, softmax
from quality_gate.settings import CalibrationSettings

SETTINGS = CalibrationSettings(alpha=0.2, delta=0.1)


@pytest.fixture
def classifier(write_tiny_model, tmp_path):
    return OnnxClassifier(write_tiny_model(tmp_path / "model"))


@pytest.fixture
def right(classifier, make_photos, reporter):
    """Makes a split whose labels are what the model answers."""

    def photos(count, seed, **changes):
        raw = make_photos(count, seed=seed, **changes)
        return replace(raw, labels=predict_logits(classifier, raw, reporter, "labels").argmax(axis=1))

    return photos


@pytest.fixture
def calibrate(classifier, make_photos, reporter):
    def calibrated(validation, calibration, settings=SETTINGS):
        unused = make_photos(0)
        return calibrate_manifest(classifier, PhotoSets(unused, validation, calibration, unused), settings, reporter)

    return calibrated


def wrong(photos):
    return replace(photos, labels=(photos.labels + 1) % 3)


def copied(photos, times):
    """Every photo several times over, each with its copies in a duplicate group."""
    return replace(
        photos,
        image_ids=photos.image_ids * times,
        paths=photos.paths * times,
        labels=np.tile(photos.labels, times),
        groups=np.tile(photos.groups, times),
    )


def test_the_temperature_is_that_of_the_validation_photos(calibrate, right, classifier, reporter):
    validation = right(30, 1)
    manifest = calibrate(validation, right(30, 2))
    logits = predict_logits(classifier, validation, reporter, "again")
    assert manifest.temperature == fit_temperature(logits, validation.labels) != classifier.manifest.temperature


def test_the_certificate_counts_the_calibration_photos_and_keeps_the_promise_asked_for(calibrate, right):
    routing = calibrate(right(30, 1), right(40, 2)).routing
    assert (routing.photos, routing.alpha, routing.delta) == (40, 0.2, 0.1)
    assert (routing.threshold, routing.coverage, routing.wrong) == (0.0, 1.0, 0)
    assert routing.risk_upper_bound <= 0.2


def test_everything_else_of_the_manifest_stays(calibrate, right, classifier):
    before = classifier.manifest
    manifest = calibrate(right(20, 1), right(20, 2))
    assert replace(manifest, temperature=before.temperature, routing=before.routing) == before


WATCHING = CalibrationSettings(alpha=0.2, delta=0.1, watched_class={"label": "potato", "min_recall": 0.9})


def test_the_certificate_counts_the_answers_that_are_served(calibrate, right, classifier, reporter):
    # Nearly everything is answered with the watched class, since a photo of it was answered with another.
    validation, calibration = wrong(right(30, 1)), right(40, 2)
    manifest = calibrate(validation, calibration, WATCHING)
    logits = predict_logits(classifier, calibration, reporter, "again")
    numbers, confidence = manifest.answer(softmax(logits, manifest.temperature))
    sure, _ = manifest.answer(softmax(predict_logits(classifier, validation, reporter, "sure"), manifest.temperature))
    found = sure[validation.labels == 1] == 1
    assert manifest.watched.label == "potato"
    assert found.mean() >= 0.9
    assert (manifest.watched.photos, manifest.watched.missed) == (len(found), np.sum(~found))
    plain = calibrate(validation, calibration)
    assert (numbers != softmax(logits).argmax(axis=1)).any()
    assert manifest.routing != plain.routing
    assert (manifest.temperature, plain.watched) == (plain.temperature, None)
    if manifest.routing.threshold is not None:
        accepted = confidence >= manifest.routing.threshold
        assert manifest.routing.accepted == accepted.sum()
        assert manifest.routing.wrong == (accepted & (numbers != calibration.labels)).sum()


def test_copies_of_a_photo_are_no_further_evidence(calibrate, right):
    validation, calibration = right(30, 1), right(30, 2)
    once = calibrate(validation, calibration).routing
    assert calibrate(validation, copied(calibration, 5)).routing == once


def test_few_photos_prove_nothing_however_often_they_are_copied(calibrate, right):
    routing = calibrate(right(30, 1), copied(right(4, 2), 50)).routing
    assert (routing.threshold, routing.photos, routing.coverage) == (None, 4, 0.0)


def test_a_model_that_is_wrong_is_not_trusted_on_its_own_word(calibrate, right):
    routing = calibrate(right(30, 1), wrong(right(40, 2))).routing
    assert routing.threshold is None


def test_the_labels_of_the_calibration_photos_do_not_change_the_temperature(calibrate, right):
    validation, calibration = right(30, 1), right(30, 2)
    assert calibrate(validation, calibration).temperature == calibrate(validation, wrong(calibration)).temperature


def test_the_same_photos_give_the_same_manifest(calibrate, right):
    assert calibrate(right(20, 1), right(20, 2)) == calibrate(right(20, 1), right(20, 2))


@pytest.fixture
def others(classifier, make_photos, reporter):
    """The other promises of a model with a certificate of an α."""

    def made(alpha, validation, calibration):
        routing = replace(classifier.manifest.routing, alpha=alpha, delta=0.1)
        model = SimpleNamespace(manifest=replace(classifier.manifest, routing=routing), logits=classifier.logits)
        unused = make_photos(0)
        return other_certificates(model, PhotoSets(unused, validation, calibration, unused), reporter)

    return made


def test_half_and_twice_the_share_are_certified_like_the_models_own(others, calibrate, right, classifier, reporter):
    validation, calibration = right(30, 1), copied(right(40, 2), 2)
    strict, loose = others(0.2, validation, calibration)
    assert (strict.alpha, loose.alpha, strict.delta, loose.delta) == (0.1, 0.4, 0.1, 0.1)
    assert strict.photos == loose.photos == 40
    sure = softmax(predict_logits(classifier, validation, reporter, "again"), classifier.manifest.temperature)
    answers = softmax(predict_logits(classifier, calibration, reporter, "again"), classifier.manifest.temperature)
    correct = answers.argmax(axis=1) == calibration.labels
    assert loose == certify(sure.max(axis=1), answers.max(axis=1)[:40], correct[:40], 0.4, 0.1)


def test_a_share_that_promises_nothing_is_left_out(others, right):
    assert [one.alpha for one in others(0.5, right(30, 1), right(40, 2))] == [0.25]


def test_a_share_too_small_for_the_photos_is_kept_without_a_threshold(others, right):
    strict, _ = others(0.02, right(30, 1), right(40, 2))
    assert strict.threshold is None
