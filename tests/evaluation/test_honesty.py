"""What the gate promises, held against populations whose truth is known: duels, certificates, intervals, leaks."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from benchmarks.duels import PRODUCE, acceptance_rate, observed_pair
from quality_gate.data.ingest import take_snapshot
from quality_gate.data.photo_set import PhotoSets
from quality_gate.data.scenes import write_demo_photos
from quality_gate.data.sources import discover
from quality_gate.data.split import split
from quality_gate.evaluation import calibrated
from quality_gate.evaluation.bootstrap import INTERVAL_LEVEL, Interval, metric_intervals
from quality_gate.evaluation.metric_sampler import MetricSampler
from quality_gate.evaluation.power import DuelPower, standard_error
from quality_gate.inference import softmax
from quality_gate.models.manifest import ModelManifest
from quality_gate.preprocess import PreprocessingSpec
from quality_gate.settings import CalibrationSettings, GateSettings, SplitSettings

pytestmark = pytest.mark.slow

GATE = GateSettings()
DUELS = 400


def scatter(share, repetitions):
    """Three standard errors of a share that was counted in so many repetitions."""
    return 3 * math.sqrt(share * (1 - share) / repetitions)


# Duels with the champion.


def test_of_candidates_worse_by_five_points_95_of_100_are_refused_on_700_photos():
    assert acceptance_rate(PRODUCE, -0.05, 700, GATE, duels=DUELS, seed=1) <= 0.05


def test_of_candidates_as_good_as_the_champion_90_of_100_are_accepted_on_700_photos():
    assert acceptance_rate(PRODUCE, 0.0, 700, GATE, duels=DUELS, seed=2) >= 0.90


@pytest.mark.parametrize(("photos", "copies"), [(700, 1), (2800, 4)])
def test_a_candidate_worse_by_the_margin_is_accepted_no_more_often_than_the_bound_allows(photos, copies):
    worse = -GATE.non_inferiority_margin
    accepted = acceptance_rate(PRODUCE, worse, photos, GATE, duels=300, seed=3, resamples=400, copies=copies)
    assert accepted <= (1 - INTERVAL_LEVEL) + scatter(1 - INTERVAL_LEVEL, 300)


@pytest.mark.parametrize("photos", [200, 700])
@pytest.mark.parametrize("difference", [-0.03, 0.0])
def test_the_warning_tells_how_often_a_candidate_is_accepted(photos, difference):
    # The scatter of the difference was measured by drawing 1,500 duels of equal models.
    power = DuelPower({200: 0.0251, 700: 0.0128}[photos], GATE.non_inferiority_margin, photos, observed=True)
    found = acceptance_rate(PRODUCE, difference, photos, GATE, duels=200, seed=4, resamples=400)
    # Worse models scatter more than equal ones; the formula knows the scatter of the one.
    assert found == pytest.approx(power.accepted(difference), abs=0.1)


def test_the_true_difference_of_a_simulated_duel_is_the_one_asked_for():
    for difference in (-0.05, 0.0, 0.02):
        joint = PRODUCE.joint_of_difference(difference)
        np.testing.assert_allclose(joint.sum(axis=(1, 2)), 1)
        cells = PRODUCE.shares[:, None, None] * joint * 1e6
        labels, candidate, champion = (
            np.indices(joint.shape).reshape(3, -1).repeat(cells.ravel().round().astype(int), axis=1)
        )
        scores = [MetricSampler(labels, np.eye(4)[each]).macro_f1(np.ones((1, len(labels))))[0]
                  for each in (candidate, champion)]  # fmt: skip
        assert scores[0] - scores[1] == pytest.approx(difference, abs=1e-4)


def test_the_disagreement_of_models_is_counted_over_all_pairs():
    labels = np.array([0, 0, 0, 0, 1, 1])
    answers = [np.array(each) for each in ([0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0])]
    pair = observed_pair(labels, answers, ("a", "b"))
    np.testing.assert_allclose(pair.photos, [4, 2])
    np.testing.assert_allclose(pair.one_right, [4 / 12, 2 / 6])
    np.testing.assert_allclose(pair.none_right, [3 / 12, 0])
    np.testing.assert_allclose(pair.taken_for, [[0, 1], [1, 0]])


# The populations: photos of a group look alike, and so do the model's answers to them.

SHARES = PRODUCE.shares
SIZES = np.array([1, 2, 3, 4])
# Groups as on produce, where almost every photo is one of its own; and bursts, whose photos are answered alike.
SINGLE, BURSTS = np.array([1.0, 0, 0, 0]), np.array([0.5, 0.25, 0.15, 0.1])


def population(rng, groups, sizes=SINGLE, *, skill=1.3, sharpness=1.6):
    """Labels, logits and groups of the photos of so many groups.

    ``skill`` 1.3 is a macro F1 of 0.94 and 1.8 one of 0.99; at ``sharpness`` 3.5 the confidence is about right, and
    below it too low.
    """
    size = rng.choice(SIZES, p=sizes, size=groups)
    group = np.arange(groups).repeat(size)
    labels = rng.choice(len(SHARES), p=SHARES, size=groups)[group]
    logits = 0.95 * rng.normal(size=(groups, len(SHARES)))[group] + 0.31 * rng.normal(size=(len(group), len(SHARES)))
    logits[np.arange(len(group)), labels] += skill * np.array([3.1, 2.0, 2.0, 2.25])[labels]
    return labels, sharpness * logits, group


# The routing certificate.


def manifest():
    return ModelManifest("gate", "simulated", PRODUCE.classes, PreprocessingSpec(32, ("crop",), (0.5,) * 3, (0.5,) * 3))


@pytest.mark.parametrize("sizes", [SINGLE, BURSTS], ids=["single", "bursts"])
@pytest.mark.parametrize(("alpha", "skill"), [(0.05, 0.9), (0.02, 1.1)])
def test_the_certificate_holds_in_at_least_its_share_of_200_calibrations(monkeypatch, sizes, alpha, skill):
    monkeypatch.setattr(calibrated, "predict_logits", lambda _classifier, photos, *_: photos.logits)
    rng = np.random.default_rng(6)
    labels, logits, _ = population(rng, 60_000, skill=skill, sharpness=2.5)
    wrong = logits.argmax(axis=1) != labels
    assert wrong.mean() > alpha
    settings, classifier = CalibrationSettings(alpha=alpha), SimpleNamespace(manifest=manifest())
    kept, coverages = [], []
    for _ in range(200):
        drawn = [population(rng, groups, sizes, skill=skill, sharpness=2.5) for groups in (200, 500)]
        splits = [SimpleNamespace(labels=each[0], logits=each[1], groups=each[2]) for each in drawn]
        found = calibrated.calibrate_manifest(classifier, PhotoSets(None, *splits, None), settings, None)
        routing = found.routing
        coverages.append(routing.coverage)
        if routing.threshold is None:
            kept.append(True)
            continue
        accepted = softmax(logits, found.temperature).max(axis=1) >= routing.threshold
        kept.append(wrong[accepted].mean() <= alpha)
    assert np.mean(kept) >= 1 - settings.delta
    # A certificate that accepts nothing would hold too.
    assert np.median(coverages) > 0.3


# The intervals.

NAMES = ("accuracy", "macro_f1", "brier", "brier_top1", "ece", "log_loss", *(f"recall:{n}" for n in PRODUCE.classes))
SIMULATIONS = 300


def coverage(groups, sizes=SINGLE, **of_the_model):
    """How often the interval of each metric holds the truth, and its mean width."""
    rng = np.random.default_rng(9)
    labels, logits, _ = population(rng, 300_000, **of_the_model)
    sampler = MetricSampler(labels, softmax(logits))
    once = np.ones((1, len(labels)))
    truth = {name: values[0] for name, values in sampler.scalars(once).items()}
    truth |= zip(NAMES[-4:], sampler.class_recalls(once)[0], strict=True)
    held = dict.fromkeys(NAMES, 0)
    for seed in range(SIMULATIONS):
        labels, logits, group = population(rng, groups, sizes, **of_the_model)
        intervals = metric_intervals(labels, softmax(logits), PRODUCE.classes, group, resamples=400, seed=seed)
        for name in NAMES:
            held[name] += intervals[name].low - 1e-9 <= truth[name] <= intervals[name].high + 1e-9
    return {name: count / SIMULATIONS for name, count in held.items()}


LEAST = INTERVAL_LEVEL - scatter(INTERVAL_LEVEL, SIMULATIONS)


@pytest.mark.parametrize("sizes", [SINGLE, BURSTS], ids=["single", "bursts"])
@pytest.mark.parametrize("sharpness", [1.6, 3.5], ids=["too modest", "calibrated"])
def test_intervals_hold_the_truth_as_often_as_they_say(sizes, sharpness):
    found = coverage(700, sizes, sharpness=sharpness)
    assert {name: share for name, share in found.items() if share < LEAST} == {}


@pytest.mark.parametrize(
    ("photos", "skill", "short"), [(700, 1.8, {"macro_f1": 0.85, "ece": 0.76}), (200, 1.3, {"log_loss": 0.88})]
)
def test_where_errors_are_few_recall_still_holds_and_the_rest_falls_short_as_documented(photos, skill, short):
    found = coverage(photos, skill=skill, sharpness=3.5)
    assert {name: share for name, share in found.items() if name.startswith("recall:") and share < LEAST} == {}
    # The figures that the module says of itself.
    assert {name: found[name] for name in short} == pytest.approx(short, abs=0.03)


def test_the_standard_error_of_a_normal_interval_is_its_own():
    assert standard_error(Interval(-0.0196, 0.0196)) == pytest.approx(0.01, rel=1e-4)


# Leaks.


def test_a_photo_planted_in_train_and_test_is_named_with_both_paths(tmp_path, tmp_path_factory):
    write_demo_photos(tmp_path, train_per_class=12, test_per_class=3, workers=1)
    taken = sorted(tmp_path.glob("test/tomato/*"))[1]
    with Image.open(taken) as photo:
        changed = photo.convert("RGB").resize((150, 150)).filter(ImageFilter.GaussianBlur(0.5))
    changed.save(tmp_path / "train" / "onion" / "planted.jpg", quality=60)
    (tmp_path / "train" / "potato" / "copied.jpg").write_bytes(taken.read_bytes())
    snapshot = take_snapshot(discover(tmp_path), tmp_path_factory.mktemp("taken") / "snapshot").snapshot
    result = split(snapshot.table, SplitSettings(), seed=1)
    leak = f"leak: near-duplicate of the test photo test/tomato/{taken.name}"
    assert result.left_out[["path", "reason"]].values.tolist() == [
        ["train/onion/planted.jpg", leak],
        ["train/potato/copied.jpg", leak],
    ]
