from dataclasses import replace

import pytest

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.gate import GateResult, RuleResult
from quality_gate.evaluation.measured import Measured
from quality_gate.models.manifest import ModelManifest
from quality_gate.models.member import Member
from quality_gate.reports.model_card import environment, model_card, model_card_markdown
from quality_gate.settings import EvaluationSettings, TrainingSettings
from quality_gate.training.history import Epoch, TrainingHistory

HISTORY = TrainingHistory((Epoch(0, None, 0.8, 0.5, 1e-4, True), Epoch(1, 0.4, 0.9, 0.3, 1e-4, True)))
GATE = GateResult(
    (
        RuleResult("macro F1", 0.9, Interval(0.8, 0.95), "at least", 0.8, True),
        RuleResult("against the champion", None, None, "at least", -0.03, None),
    ),
    warnings=("the test set is small",),
)


@pytest.fixture
def make_card(write_tiny_model, make_evaluation, snapshot, split, answers, moment, tmp_path):
    def made(history=HISTORY, served=None, **changes):
        manifest = replace(ModelManifest.load(write_tiny_model(tmp_path)), version=None, **(served or {}))
        return model_card(
            replace(manifest, routing=changes.get("routing", manifest.routing)),
            Measured(make_evaluation(**changes), {"candidate": answers}),
            GATE,
            history,
            snapshot,
            split,
            TrainingSettings(name="market", evaluation=EvaluationSettings(bootstrap_resamples=100)),
            version="7",
            run="run 1",
            created=moment,
        )

    return made


def test_the_test_photos_are_measured_at_the_threshold_in_use(make_card, answers):
    card = make_card()
    assert card.in_use.in_use
    assert card.in_use.accepted_photos == (answers.max(axis=1) >= 0.6).sum()


@pytest.mark.parametrize("trained", [False, True])
def test_the_card_says_of_8_bits_whether_the_network_was_trained_for_them(make_card, trained):
    digests = {"onnx": "e" * 64} | ({"judged_weights": "f" * 64} if trained else {})
    text = model_card_markdown(make_card(served={"precision": "int8", "digests": digests}))
    assert "| Served in | 8-bit integers" in text
    assert ("its last stages were trained further after the gate had judged it" in text) is trained
    assert ("f" * 64 in text) is trained


def test_the_card_has_figures_with_intervals_and_the_baselines_beside_them(make_card):
    text = model_card_markdown(make_card())
    assert text.startswith("# Model card: visual_quality_gate, version 7\n\nTells onion, potato, tomato apart")
    assert "| Macro F1 | more is better | 0.900 | 0.123 to 0.987 | 0.700 | 0.750 |" in text
    assert "| macro F1 | 0.900 | 0.800 to 0.950 | at least 0.800 | passed |" in text
    assert "| against the champion | – | – | at least −0.030 | does not apply |" in text
    assert "| the test set is small. | – | – | – | warning |" in text
    assert "| onion (too few) | 20 | 0.900 | 0.900 | 0.123 to 0.987 | 0.900 |" in text
    assert "\n\n\n" not in text


def test_the_members_of_an_ensemble_are_told_with_their_weights(make_card):
    card = make_card()
    members = tuple(
        Member(name, (0.5,) * 3, (0.25,) * 3, 1.0, weight) for name, weight in (("big", 0.9), ("small", 0.1))
    )
    text = model_card_markdown(replace(card, manifest=replace(card.manifest, members=members)))
    row = "| Members | big with a weight of 0.900, small with a weight of 0.100; their probabilities are averaged |"
    assert f"\n{row}\n| Classes |" in text
    assert "| Members |" not in model_card_markdown(card)


def test_the_card_tells_the_certificate_and_its_limits(make_card):
    text = model_card_markdown(make_card())
    assert "An answer is accepted from a confidence of 0.600. Of the accepted answers at most 5% are\nwrong" in text
    assert "| accepted | 80 | 80.0% | |" in text
    assert "is 4.8%, with confidence 90%" in text
    assert "nothing of one class or slice alone" in text


def test_a_certificate_for_every_answer_is_told_as_such(make_card):
    routing = replace(make_card().evaluation.routing, threshold=0.0)
    assert "Every answer is accepted. Of" in model_card_markdown(make_card(routing=routing))


def test_without_a_certificate_every_photo_is_said_to_go_to_review(make_card):
    routing = replace(make_card().evaluation.routing, threshold=None, coverage=0.0, risk_upper_bound=None)
    text = model_card_markdown(make_card(routing=routing))
    assert "Nothing could be certified on 100 calibration photos: every photo goes to review." in text
    assert "Upper bound" not in text


def test_slices_of_few_photos_are_said_to_be_too_few(make_card):
    text = model_card_markdown(make_card())
    assert "| brightness: dark | 0.400 to 0.400 | 3 | – | – | – | – | too few |" in text


def test_training_and_settings_are_told(make_card):
    text = model_card_markdown(make_card())
    assert "| train | 4 | 4 | 4 | 12 |" in text
    assert "Pass 1 of 1 was kept, by macro F1 on the validation photos (0.900)" in text
    assert "| `transfer.weights_file` | not set |" in text
    assert "| `calibration.alpha` | 0.05 |" in text


def test_without_fine_tuning_no_pass_is_told(make_card):
    assert "was kept" not in model_card_markdown(make_card(TrainingHistory(())))


def test_what_was_not_measured_is_said_not_to_be(make_card):
    text = model_card_markdown(make_card())
    for words in ("is not recorded", "was not measured", "Not assessed: whether photos show persons"):
        assert words in text


def test_the_origin_is_told(make_card):
    text = model_card_markdown(make_card())
    assert f"| data | `{'d' * 64}` |" in text
    assert "| Promoted | 2026-03-04 10:11 UTC |" in text


def test_the_environment_has_versions_of_what_is_installed():
    found = environment()
    assert {"Python", "numpy", "onnxruntime", "torch", "Visual Quality Gate"} <= set(found)
    assert all(found.values())
