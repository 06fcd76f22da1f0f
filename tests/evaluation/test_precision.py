from dataclasses import replace

import numpy as np
import pytest

from quality_gate.evaluation import precision
from quality_gate.evaluation.precision import compare_precisions
from quality_gate.evaluation.predictions import predict_logits
from quality_gate.inference import OnnxClassifier, softmax
from quality_gate.models.manifest import ModelManifest
from quality_gate.models.watched_class import WatchedClass
from quality_gate.settings import ServingSettings

SETTINGS = ServingSettings(max_latency_ratio=0.9, max_loss=0.005, min_agreement=0.99)
RULES = ["time of an answer against 32 bits", "macro F1 lost", "Brier score lost", "same label and decision"]


@pytest.fixture
def folders(write_tiny_model, tmp_path):
    """One model three times: what is compared does not depend on how its network computes."""
    return {name: write_tiny_model(tmp_path / name) for name in ("float32", "int8", "int8_trained")}


@pytest.fixture
def held_out(folders, make_photos, reporter):
    photos = make_photos(40)
    return replace(photos, labels=answers(folders["float32"], photos, reporter).argmax(axis=1))


@pytest.fixture
def compare(folders, held_out, reporter, monkeypatch):
    def compared(latency=0.5, settings=SETTINGS):
        times = {"float32": 10.0, "int8": 10.0 * latency, "int8_trained": 10.0 * latency}
        monkeypatch.setattr(precision, "_latencies_ms", lambda models, photos: times)
        before = answers(folders["float32"], held_out, reporter)
        return compare_precisions(folders, before, held_out, settings, reporter)

    return compared


def answers(folder, photos, reporter):
    model = OnnxClassifier(folder)
    return softmax(predict_logits(model, photos, reporter, "test"), model.manifest.temperature)


def change(folder, **changes):
    replace(ModelManifest.load(folder), **changes).save(folder)


def failed(comparison):
    return [rule.rule for rule in comparison.verdicts["int8"].rules if not rule.passed]


def test_the_same_answers_in_less_time_pass(compare):
    comparison = compare()

    assert [rule.rule for rule in comparison.verdicts["int8"].rules] == RULES
    assert [rule.measured for rule in comparison.verdicts["int8"].rules] == [0.5, 0, 0, 1]
    assert comparison.verdicts["int8"].passed
    assert comparison.figures["int8"].metrics == comparison.figures["float32"].metrics


@pytest.mark.parametrize(("ratio", "passed"), [(0.9, True), (0.91, False)])
def test_a_gain_too_small_does_not_pay(compare, ratio, passed):
    assert compare(latency=ratio).verdicts["int8"].passed is passed


def test_a_model_that_is_less_sure_of_right_answers_loses_brier_score_alone(compare, folders):
    change(folders["int8"], temperature=1.6)

    assert failed(compare(settings=replace_limits(min_agreement=0))) == ["Brier score lost"]


def test_a_model_that_answers_otherwise_loses_on_every_score(compare, folders, write_tiny_model):
    write_tiny_model(folders["int8"], seed=9)

    assert failed(compare()) == RULES[1:]


def test_a_decision_that_changes_counts_as_much_as_a_label(compare, folders):
    certificate = ModelManifest.load(folders["float32"]).routing
    change(folders["int8"], routing=replace(certificate, threshold=None))

    comparison = compare()

    assert failed(comparison) == ["same label and decision"]
    assert comparison.figures["int8"].coverage == 0 < comparison.figures["float32"].coverage
    rule = comparison.verdicts["int8"].rules[-1]
    assert rule.measured == pytest.approx(1 - comparison.figures["float32"].coverage)


def test_labels_are_compared_as_they_are_served(compare, folders):
    manifest = ModelManifest.load(folders["int8"])
    replace(manifest, watched=WatchedClass("onion", 0.98, 0.0, 120, 0)).save(folders["int8"])
    agreement = compare().verdicts["int8"].rules[-1]
    assert (agreement.rule, agreement.passed) == ("same label and decision", False)


def test_times_are_measured_for_both(folders, held_out, reporter):
    before = answers(folders["float32"], held_out, reporter)

    figures = compare_precisions(folders, before, held_out, SETTINGS, reporter).figures

    assert all(0 < one.latency_ms < 1000 and one.megabytes > 0 for one in figures.values())


def replace_limits(**changes):
    return SETTINGS.model_copy(update=changes)


def test_coverage_is_the_share_that_is_accepted(compare, folders, held_out, reporter):
    model = OnnxClassifier(folders["float32"])
    decisions = [model.decide(row).decision for row in answers(folders["float32"], held_out, reporter)]

    assert compare().figures["float32"].coverage == np.mean([decision == "accept" for decision in decisions])


def test_weights_change_only_where_that_is_needed(compare, folders):
    assert compare().chosen == "int8"

    change(folders["int8"], temperature=1.6)

    trained = compare(settings=replace_limits(min_agreement=0))
    assert trained.chosen == "int8_trained"
    assert trained.figures["int8_trained"].metrics == trained.figures["float32"].metrics
    assert trained.figures["int8"].metrics.brier > trained.figures["float32"].metrics.brier


def test_what_was_trained_for_8_bits_has_to_pass_the_same_rules(compare, folders, write_tiny_model):
    for contender in ("int8", "int8_trained"):
        write_tiny_model(folders[contender], seed=9)

    comparison = compare()

    assert comparison.chosen == "float32"
    assert [rule.rule for rule in comparison.verdicts["int8_trained"].rules if not rule.passed] == RULES[1:]
