import json
from dataclasses import replace

import numpy as np
import pytest

from quality_gate.evaluation import candidate as module
from quality_gate.evaluation.bootstrap import metric_intervals
from quality_gate.evaluation.candidate import coverage_change, export_difference, latency_ms, measure
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.evaluation.scores import Evaluation
from quality_gate.evaluation.watched import measure_watched
from quality_gate.inference import OnnxClassifier
from quality_gate.models.folder import ModelFolder
from quality_gate.models.manifest import ModelManifest, RoutingCertificate
from quality_gate.models.member import Member
from quality_gate.models.watched_class import WatchedClass
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.registry import Champion

PHOTOS = 12


@pytest.fixture
def model(write_tiny_model, tmp_path):
    return ModelFolder(write_tiny_model(tmp_path / "candidate", version=None))


@pytest.fixture
def champion(write_tiny_model, tmp_path):
    """Makes a champion; another seed is another network."""

    def made(seed, **changes):
        folder = write_tiny_model(tmp_path / "champion", version="7", seed=seed)
        replace(ModelManifest.load(folder), **changes).save(folder)
        return Champion("7", folder)

    return made


@pytest.fixture
def held_out(make_photos):
    return make_photos(PHOTOS, groups=[0, 0, *range(1, PHOTOS - 1)])


@pytest.fixture
def measured(model, held_out, reporter, monkeypatch):
    """Measures the candidate beside a baseline that always says the first class; without torch."""
    monkeypatch.setattr(module, "export_difference", lambda *_: 1e-6)
    baseline = np.tile([0.8, 0.1, 0.1], (PHOTOS, 1))

    def run(champion=None, photos=held_out, seed=5, rolling=None):
        return measure(
            model,
            {"histogram": baseline},
            champion,
            photos,
            rolling_test=rolling,
            data_digest="d" * 64,
            resamples=100,
            seed=seed,
            reporter=reporter,
        )

    return run


def served(folder, photos):
    answers = OnnxClassifier(folder).predict(list(photos.read()))
    return np.array([list(answer.probabilities.values()) for answer in answers])


def test_the_candidate_is_measured_by_the_answers_that_are_served(measured, model, held_out):
    result = measured()
    answers = result.probabilities["candidate"]
    np.testing.assert_allclose(answers, served(model.path, held_out), atol=1e-6)
    scores = result.evaluation.candidate
    assert scores.metrics == compute_metrics(held_out.labels, answers, held_out.classes)
    expected = metric_intervals(held_out.labels, answers, held_out.classes, held_out.groups, resamples=100, seed=5)
    assert scores.intervals == expected


def test_a_baseline_is_measured_on_the_same_photos(measured, held_out):
    result = measured()
    scores = result.evaluation.baselines["histogram"]
    assert scores.metrics == compute_metrics(held_out.labels, result.probabilities["histogram"], held_out.classes)
    assert list(result.probabilities) == ["candidate", "histogram"]


def test_the_evaluation_says_what_was_measured_on_what(measured, model):
    evaluation = measured().evaluation
    assert (evaluation.name, evaluation.test_photos) == ("visual_quality_gate", PHOTOS)
    assert evaluation.classes == ("onion", "potato", "tomato")
    assert evaluation.data_digest == "d" * 64
    assert evaluation.routing == model.manifest.routing
    assert evaluation.model_mb == (model.path / "model.onnx").stat().st_size / 1e6
    assert evaluation.latency_ms > 0
    assert evaluation.export_difference == 1e-6


def test_each_member_of_an_ensemble_is_measured_by_itself(measured, held_out, monkeypatch, model):
    members = (
        Member("first", (0.5,) * 3, (0.25,) * 3, 1.0, 0.75),
        Member("second", (0.5,) * 3, (0.25,) * 3, 1.0, 0.25),
    )
    manifest = replace(model.manifest, members=members)
    manifest.save(model.path)
    each = np.random.default_rng(0).dirichlet(np.ones(3), (PHOTOS, 2))
    monkeypatch.setattr(module, "member_probabilities", lambda *_: each)
    result = measured()
    own = result.probabilities["candidate"]
    found = result.evaluation.members
    assert [(one.architecture, one.weight) for one in found] == [("first", 0.75), ("second", 0.25)]
    for place, one in enumerate(found):
        metrics = compute_metrics(held_out.labels, each[:, place], held_out.classes)
        assert one.scores.metrics == metrics
        candidate = compute_metrics(held_out.labels, own, held_out.classes)
        assert one.gain.estimate == pytest.approx(candidate.macro_f1 - metrics.macro_f1)
    assert Evaluation.from_json(json.loads(json.dumps(result.evaluation.to_json()))) == result.evaluation


def test_both_models_are_held_against_each_other_on_the_rolling_test(measured, champion, make_photos, held_out):
    reviewed = make_photos(7, seed=3)
    former = champion(seed=1)
    result = measured(former, rolling=reviewed)
    rolling = result.evaluation.rolling
    assert rolling.photos == 7
    np.testing.assert_allclose(result.rolling["champion"], served(former.folder, reviewed), atol=1e-6)
    for scores, answers in ((rolling.candidate, "candidate"), (rolling.champion.scores, "champion")):
        assert scores.metrics == compute_metrics(reviewed.labels, result.rolling[answers], reviewed.classes)
    assert result.evaluation.candidate == measured(former).evaluation.candidate


def test_without_a_rolling_test_there_are_no_figures_of_it(measured):
    result = measured()
    assert (result.evaluation.rolling, result.rolling) == (None, {})


def test_without_a_champion_nothing_is_compared(measured, reporter):
    assert measured().evaluation.champion is None
    assert list(reporter.moves) == ["answers for test"]


def test_a_champion_answers_the_same_photos(measured, champion, held_out):
    former = champion(seed=1)
    result = measured(former)
    comparison = result.evaluation.champion
    answers = result.probabilities["champion"]
    assert comparison.version == "7"
    np.testing.assert_allclose(answers, served(former.folder, held_out), atol=1e-6)
    assert comparison.scores.metrics == compute_metrics(held_out.labels, answers, held_out.classes)
    difference = result.evaluation.candidate.metrics.macro_f1 - comparison.scores.metrics.macro_f1
    assert comparison.difference.estimate == pytest.approx(difference)
    assert comparison.difference.estimate != 0
    assert comparison.difference.lower_bound <= comparison.difference.estimate


def test_a_champion_that_is_the_candidate_differs_by_nothing(measured, champion):
    difference = measured(champion(seed=0)).evaluation.champion.difference
    assert (difference.estimate, difference.lower_bound) == (0, 0)


def routed(alpha=0.05, threshold=0.8):
    return manifest(RoutingCertificate(alpha, 0.1, threshold, 0.5, 50, 0, 100, 0.04))


def manifest(routing, watched=None):
    spec = PreprocessingSpec(32, ("crop",), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return ModelManifest("visual_quality_gate", "tiny", ("defect", "ok"), spec, routing=routing, watched=watched)


def test_the_accepted_shares_of_two_models_are_compared_on_the_same_photos():
    answers, former = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]), np.full((4, 2), 0.5)
    assert coverage_change(answers, routed(), former, routed(threshold=0.5)) == pytest.approx(0.5 - 1)
    assert coverage_change(answers, routed(), former, routed(threshold=None)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "former",
    [manifest(None), routed(alpha=0.01), replace(routed(), watched=WatchedClass("defect", 0.9, 0.2, 40, 4))],
)
def test_models_that_promise_different_things_are_not_compared_by_what_they_accept(former):
    answers = np.full((4, 2), 0.5)
    assert coverage_change(answers, routed(), answers, former) is None


def test_an_answer_that_the_threshold_of_a_watched_class_has_raised_is_accepted_no_more():
    answers, threshold = np.array([[0.1, 0.9], [0.3, 0.7]]), WatchedClass("defect", 0.9, 0.1, 40, 4)
    strict, loose = replace(threshold, threshold=0.05), replace(threshold, threshold=0.2)
    change = coverage_change(answers, replace(routed(), watched=loose), answers, replace(routed(), watched=strict))
    assert change == pytest.approx(0.5)


def test_a_watched_class_is_measured_with_the_answers_of_the_candidate(measured, model, held_out):
    assert measured().evaluation.watched is None
    watched = WatchedClass("potato", 0.9, 0.3, 40, 4)
    replace(ModelManifest.load(model.path), watched=watched).save(model.path)
    found = measured()
    manifest = ModelManifest.load(model.path)
    assert found.evaluation.watched == measure_watched(
        held_out, found.probabilities["candidate"], watched, manifest.routing
    )
    labels = [answer.label for answer in OnnxClassifier(model.path).predict(list(held_out.read()))]
    numbers, _ = found.evaluation.answer(found.probabilities["candidate"])
    assert [held_out.classes[number] for number in numbers] == labels
    assert Evaluation.from_json(json.loads(json.dumps(found.evaluation.to_json()))) == found.evaluation


def test_the_accepted_share_of_the_champion_is_measured(measured, champion):
    assert measured(champion(seed=0)).evaluation.champion.coverage_change == 0


def test_a_champion_sees_the_photos_its_own_way(measured, champion, held_out):
    # A network of the same size whose photos are squashed and not cropped, and whose confidence is cooler.
    former = champion(seed=1)
    manifest = ModelManifest.load(former.folder)
    replace(manifest, preprocessing=replace(manifest.preprocessing, views=("squash",)), temperature=3.0).save(
        former.folder
    )
    answers = measured(former).probabilities["champion"]
    np.testing.assert_allclose(answers, served(former.folder, held_out), atol=1e-6)


def test_a_champion_with_other_classes_is_named_and_not_compared(measured, champion, reporter):
    result = measured(champion(seed=1, classes=("apple", "onion", "pear")))
    comparison = result.evaluation.champion
    assert (comparison.version, comparison.classes) == ("7", ("apple", "onion", "pear"))
    assert (comparison.scores, comparison.difference) == (None, None)
    assert "champion" not in result.probabilities
    assert list(reporter.moves) == ["answers for test"]


def test_the_same_classes_in_another_order_are_other_classes(measured, champion):
    comparison = measured(champion(seed=1, classes=("tomato", "potato", "onion"))).evaluation.champion
    assert comparison.difference is None


def test_the_same_seed_gives_the_same_figures(measured, champion):
    former = champion(seed=1)

    def figures(seed):
        return replace(measured(former, seed=seed).evaluation, latency_ms=0.0)

    assert figures(5) == figures(5) != figures(6)


def test_what_was_measured_survives_a_stay_on_disk(measured, champion, tmp_path):
    result = measured(champion(seed=1))
    (tmp_path / "kept").mkdir()
    result.save(tmp_path / "kept")
    loaded = type(result).load(tmp_path / "kept")
    assert loaded.evaluation == result.evaluation
    json.dumps(loaded.evaluation.to_json(), allow_nan=False)


class Network:
    """The tiny network in torch; ``more`` is added to the first logit."""

    def __init__(self, folder, more=0.0):
        import onnx
        import torch

        (weights,) = onnx.load(folder / "model.onnx").graph.initializer
        self.weights = torch.from_numpy(onnx.numpy_helper.to_array(weights).copy())
        self.more = torch.tensor([more, 0.0, 0.0])

    def __call__(self, photos):
        import torch

        return torch.nn.functional.avg_pool2d(photos, 16).flatten(1) @ self.weights + self.more


@pytest.mark.parametrize(("more", "low", "high"), [(0.0, 0.0, 1e-6), (0.3, 0.01, 0.3)])
def test_the_export_is_compared_with_the_trained_network(model, held_out, monkeypatch, more, low, high):
    monkeypatch.setattr("quality_gate.models.checkpoint.load_network", lambda folder: Network(folder, more))
    assert low <= export_difference(model, held_out) <= high


def test_the_largest_difference_of_any_photo_counts(model, make_photos, monkeypatch):
    class WrongOnce(Network):
        def __call__(self, photos):
            logits = super().__call__(photos)
            logits[-1, 0] += 50
            return logits

    monkeypatch.setattr("quality_gate.models.checkpoint.load_network", WrongOnce)
    assert export_difference(model, make_photos(8)) > 0.1


def test_the_latency_is_the_median_of_single_answers(model, held_out, monkeypatch):
    # Each photo takes a millisecond but for one that takes a second.
    moments = iter(np.cumsum([0, *[0.001, 5] * (PHOTOS - 1), 1.0]))
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(moments)))
    assert latency_ms(model, held_out) == pytest.approx(1.0)
