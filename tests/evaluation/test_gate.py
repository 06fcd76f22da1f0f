import json
from dataclasses import replace
from math import inf, nan, nextafter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.evaluation.bootstrap import Interval, PairedDifference
from quality_gate.evaluation.gate import GateResult, RuleResult, apply_gate
from quality_gate.evaluation.scores import ChampionComparison, CrossValidation, Margin, RollingTest
from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.models.watched_class import WatchedClass
from quality_gate.settings import GateSettings

CHAMPION_RULE = "macro F1 against the champion, lower bound"
OTHER_CLASSES = ChampionComparison("3", ("apple", "pear"), None, None)


def row(result, rule):
    return next(row for row in result.rules if row.rule == rule)


def failed(result):
    return [row.rule for row in result.rules if row.passed is False]


def compared(make_scores, lower_bound, estimate=0.01):
    difference = PairedDifference(estimate, Interval(lower_bound - 0.01, 0.05), lower_bound)
    return ChampionComparison("3", ("onion", "potato", "tomato"), make_scores(), difference)


def beside(value, worse):
    """The next number on the worse side of a value."""
    return nextafter(value, -inf if worse == "below" else inf)


def test_every_rule_is_a_row_in_the_order_of_the_table(make_evaluation):
    assert [row.rule for row in apply_gate(make_evaluation(), GateSettings()).rules] == [
        "macro F1",
        "recall of onion",
        "recall of potato",
        "recall of tomato",
        "Brier score",
        "expected calibration error",
        "macro F1 above the histogram baseline",
        "macro F1 above the scratch baseline",
        CHAMPION_RULE,
        "exported model equals trained",
        "model size (MB)",
        "latency of one photo (ms)",
    ]


def test_a_good_model_passes_and_there_is_nothing_to_say(make_evaluation):
    result = apply_gate(make_evaluation(), GateSettings())
    assert result.passed
    assert result.sentence() == ""


CHOSEN = WatchedClass("potato", 0.98, 0.1, 400, 3)


def watched_scores(recall, chosen=CHOSEN):
    intervals = {name: Interval(0.8, 0.99) for name in ("recall", "false_alarm_rate", "precision", "f1")}
    return WatchedScores(chosen, 100, 5, 1, 20, recall, 0.1, 0.8, 0.87, intervals)


@pytest.mark.parametrize(("recall", "passed"), [(0.95, True), (beside(0.95, "below"), False), (nan, False)])
def test_the_recall_of_the_watched_class_has_a_floor_of_its_own(make_evaluation, recall, passed):
    result = apply_gate(make_evaluation(watched=watched_scores(recall)), GateSettings(min_watched_recall=0.95))
    rule = row(result, "recall of potato at its threshold")
    assert (rule.passed, result.passed, rule.interval) == (passed, passed, Interval(0.8, 0.99))


def test_without_the_floor_the_watched_class_is_not_judged(make_evaluation):
    with_it, without = (
        apply_gate(make_evaluation(watched=watched), GateSettings()) for watched in (watched_scores(0.1), None)
    )
    assert with_it == without


def test_a_floor_without_a_watched_class_does_not_apply_and_says_where_to_name_one(make_evaluation):
    result = apply_gate(make_evaluation(), GateSettings(min_watched_recall=0.95))
    rule = row(result, "recall of the watched class")
    assert (rule.passed, result.passed) == (None, True)
    assert "calibration.watched_class" in rule.note


def test_a_recall_that_validation_cannot_show_is_a_warning_and_stops_nobody(make_evaluation):
    few = watched_scores(0.99, replace(CHOSEN, photos=40))
    result = apply_gate(make_evaluation(watched=few), GateSettings(min_watched_recall=0.95))
    assert result.passed
    assert any(warning.startswith("the threshold of potato is a guess") for warning in result.warnings)


def crossed(make_scores, margin=0.1, **figures):
    scores = {"candidate": make_scores(**figures), "histogram": make_scores(macro_f1=0.7)}
    return CrossValidation(5, 4, 66, scores, {"histogram": Margin(margin, Interval(margin - 0.1, margin + 0.1))})


FOLDED = "by cross-validation, 4 times 5 folds of 66 photos"


def test_with_cross_validation_the_floors_hold_its_figures_and_say_so(make_evaluation, make_scores):
    good, bad = crossed(make_scores), crossed(make_scores, macro_f1=0.79, brier=0.21, recalls={"onion": 0.6})
    on_test = make_scores(macro_f1=0.1, brier=0.9, recalls={"onion": 0.1})
    assert apply_gate(make_evaluation(candidate=on_test, cross_validation=good), GateSettings()).passed
    result = apply_gate(make_evaluation(cross_validation=bad), GateSettings())
    assert failed(result) == ["macro F1", "recall of onion", "Brier score"]
    assert {rule.note for rule in result.rules[:7]} == {FOLDED}


@pytest.mark.parametrize(("margin", "passed"), [(0.05, True), (beside(0.05, "below"), True), (0.049, False)])
def test_with_cross_validation_baselines_are_beaten_on_the_same_folds(make_evaluation, make_scores, margin, passed):
    result = apply_gate(make_evaluation(cross_validation=crossed(make_scores, margin)), GateSettings())
    rule = row(result, "macro F1 above the histogram baseline")
    assert (rule.passed, rule.note) == (passed, FOLDED)
    assert rule.interval == Interval(margin - 0.1, margin + 0.1)
    assert "macro F1 above the scratch baseline" not in [row.rule for row in result.rules]


COVERAGE_RULE = "accepted share against the champion"


@pytest.mark.parametrize(
    ("change", "passed"), [(0.3, True), (-0.2, True), (beside(-0.2, "below"), True), (-0.201, False), (-0.6, False)]
)
def test_a_candidate_may_not_leave_much_more_to_people_than_the_champion(make_evaluation, make_scores, change, passed):
    champion = replace(compared(make_scores, 0.0), coverage_change=change)
    result = apply_gate(make_evaluation(champion=champion), GateSettings(max_coverage_loss=0.2))
    assert (row(result, COVERAGE_RULE).passed, result.passed) == (passed, passed)


def test_where_promises_differ_the_accepted_share_makes_no_rule(make_evaluation, make_scores):
    result = apply_gate(make_evaluation(champion=compared(make_scores, 0.0)), GateSettings())
    assert COVERAGE_RULE not in [row.rule for row in result.rules]


ROLLING_RULE = "macro F1 against the champion on reviewed photos, upper bound"


def rolling(make_scores, high):
    difference = PairedDifference(high - 0.1, Interval(high - 0.2, high), high - 0.19)
    champion = ChampionComparison("3", ("onion", "potato", "tomato"), make_scores(), difference)
    return RollingTest(120, make_scores(), champion)


@pytest.mark.parametrize(("high", "passed"), [(0.0, True), (0.03, True), (beside(0.0, "below"), True), (-0.001, False)])
def test_on_reviewed_photos_a_candidate_may_not_be_surely_worse(make_evaluation, make_scores, high, passed):
    result = apply_gate(make_evaluation(rolling=rolling(make_scores, high)), GateSettings())
    found = row(result, ROLLING_RULE)
    assert (found.passed, result.passed) == (passed, passed)
    assert "on 120 photos of the operation" in found.note


@pytest.mark.parametrize("champion", [None, OTHER_CLASSES])
def test_without_a_comparable_champion_reviewed_photos_make_no_rule(make_evaluation, make_scores, champion):
    alone = RollingTest(120, make_scores(), champion)
    result = apply_gate(make_evaluation(rolling=alone), GateSettings())
    assert ROLLING_RULE not in [row.rule for row in result.rules]


def of_candidate(metric):
    return lambda scores, value: {"candidate": scores(**{metric: value})}


def of_recall(label):
    return lambda scores, value: {"candidate": scores({label: value})}


def of_serving(figure):
    return lambda _, value: {figure: value}


# The rule, the setting of its limit, the limit, how a candidate comes by a value, and which side is worse.
RULES = [
    ("macro F1", "min_macro_f1", 0.8, of_candidate("macro_f1"), "below"),
    ("recall of onion", "min_class_recall", 0.65, of_recall("onion"), "below"),
    ("recall of tomato", "min_class_recall", 0.65, of_recall("tomato"), "below"),
    ("Brier score", "max_brier", 0.2, of_candidate("brier"), "above"),
    ("expected calibration error", "max_ece", 0.08, of_candidate("ece"), "above"),
    ("exported model equals trained", "max_export_difference", 1e-4, of_serving("export_difference"), "above"),
    ("model size (MB)", "max_model_mb", 120.0, of_serving("model_mb"), "above"),
    ("latency of one photo (ms)", "max_latency_ms", 500.0, of_serving("latency_ms"), "above"),
]


@pytest.mark.parametrize(("rule", "setting", "limit", "measured", "worse"), RULES)
def test_a_rule_holds_at_its_limit_and_fails_just_beyond_it(
    make_evaluation, make_scores, rule, setting, limit, measured, worse
):
    # The default margin over the baselines would fail beside a low macro F1.
    settings = GateSettings(**{"min_margin_over_baselines": -1, setting: limit})
    for value, passes in ((limit, True), (beside(limit, worse), False)):
        result = apply_gate(make_evaluation(**measured(make_scores, value)), settings)
        found = row(result, rule)
        assert (found.measured, found.limit, found.passed) == (value, limit, passes)
        assert found.direction == ("at least" if worse == "below" else "at most")
        assert failed(result) == ([] if passes else [rule])
        assert result.passed is passes


@pytest.mark.parametrize(("rule", "setting", "limit", "measured", "worse"), RULES)
def test_what_could_not_be_computed_fails(make_evaluation, make_scores, rule, setting, limit, measured, worse):
    evaluation = make_evaluation(**measured(make_scores, nan))
    result = apply_gate(evaluation, GateSettings())
    assert row(result, rule).passed is False
    assert f"{rule}: it could not be computed" in result.sentence()
    assert GateResult.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False))) == result


def test_each_quality_rule_shows_its_own_interval(make_evaluation, make_scores):
    scores = make_scores()
    names = ["macro_f1", "recall:onion", "recall:potato", "recall:tomato", "brier", "ece"]
    intervals = {name: Interval(index / 10, 1.0) for index, name in enumerate(names)}
    result = apply_gate(make_evaluation(candidate=replace(scores, intervals=intervals)), GateSettings())
    assert [row.interval for row in result.rules[:6]] == list(intervals.values())


@pytest.mark.parametrize("baseline", ["histogram", "scratch"])
@pytest.mark.parametrize(
    ("macro_f1", "of_baseline", "margin"), [(0.85, 0.8, 0.05), (0.9, 0.85, 0.05), (0.9, 0.9, 0), (0.6, 0.8, -0.2)]
)
def test_a_margin_over_a_baseline_holds_at_its_limit_whatever_binary_fractions_make_of_it(
    make_evaluation, make_scores, baseline, macro_f1, of_baseline, margin
):
    settings = GateSettings(min_macro_f1=0, min_margin_over_baselines=margin)
    baselines = {"histogram": make_scores(macro_f1=0.1), "scratch": make_scores(macro_f1=0.1)}
    for more, passes in ((0, True), (1e-6, False)):
        beaten = {**baselines, baseline: make_scores(macro_f1=of_baseline + more)}
        result = apply_gate(make_evaluation(candidate=make_scores(macro_f1=macro_f1), baselines=beaten), settings)
        assert failed(result) == ([] if passes else [f"macro F1 above the {baseline} baseline"])


def test_without_a_champion_the_comparison_does_not_apply_and_says_so(make_evaluation):
    result = apply_gate(make_evaluation(champion=None), GateSettings())
    found = row(result, CHAMPION_RULE)
    assert (found.measured, found.passed) == (None, None)
    assert found.note == "does not apply: there is no champion yet"
    assert result.passed


def test_a_candidate_that_may_be_worse_than_the_champion_by_too_much_fails(make_evaluation, make_scores):
    evaluation = make_evaluation(champion=compared(make_scores, lower_bound=-0.031))
    result = apply_gate(evaluation, GateSettings(non_inferiority_margin=0.03))
    assert failed(result) == [CHAMPION_RULE]
    found = row(result, CHAMPION_RULE)
    assert (found.measured, found.limit, found.interval) == (-0.031, -0.03, evaluation.champion.difference.interval)
    assert found.note == "difference +0.010 to champion 3 on the same photos"


@pytest.mark.parametrize(("lower_bound", "margin"), [(-0.03, 0.03), (0.8 - 0.83, 0.03), (0.0, 0), (0.02, 0)])
def test_a_candidate_that_is_not_worse_by_more_than_the_margin_passes(
    make_evaluation, make_scores, lower_bound, margin
):
    evaluation = make_evaluation(champion=compared(make_scores, lower_bound))
    assert apply_gate(evaluation, GateSettings(non_inferiority_margin=margin)).passed


def test_a_margin_of_nothing_is_written_without_a_sign(make_evaluation, make_scores):
    evaluation = make_evaluation(champion=compared(make_scores, 0.0))
    found = row(apply_gate(evaluation, GateSettings(non_inferiority_margin=0)), CHAMPION_RULE)
    assert found.demanded == "at least 0.000"


def test_a_champion_with_other_classes_is_never_compared_silently(make_evaluation):
    result = apply_gate(make_evaluation(champion=OTHER_CLASSES), GateSettings())
    assert failed(result) == [CHAMPION_RULE]
    sentence = result.sentence()
    assert "champion 3 has the classes apple, pear, the candidate onion, potato, tomato" in sentence
    assert "set gate.replace_champion_with_other_classes: true to replace it" in sentence


def test_a_champion_with_other_classes_may_be_replaced_by_a_setting_and_the_row_says_so(make_evaluation):
    settings = GateSettings(replace_champion_with_other_classes=True)
    result = apply_gate(make_evaluation(champion=OTHER_CLASSES), settings)
    assert result.passed
    found = row(result, CHAMPION_RULE)
    assert found.passed is None
    assert found.note.startswith("does not apply: champion 3 has the classes apple, pear")


def test_the_setting_changes_nothing_for_a_champion_that_can_be_compared(make_evaluation, make_scores):
    settings = GateSettings(replace_champion_with_other_classes=True)
    evaluation = make_evaluation(champion=compared(make_scores, lower_bound=-0.2))
    assert failed(apply_gate(evaluation, settings)) == [CHAMPION_RULE]


def test_the_sentence_names_every_rule_that_failed_and_by_how_much(make_evaluation, make_scores):
    evaluation = make_evaluation(candidate=make_scores({"onion": 0.5}, macro_f1=0.75, brier=0.3), baselines={})
    assert apply_gate(evaluation, GateSettings()).sentence() == (
        "macro F1 is 0.750, but at least 0.800 is demanded (missed by 0.050); "
        "recall of onion is 0.500, but at least 0.650 is demanded (missed by 0.150); "
        "Brier score is 0.300, but at most 0.200 is demanded (missed by 0.100)"
    )


def test_a_narrow_miss_is_not_rounded_to_its_limit(make_evaluation, make_scores):
    evaluation = make_evaluation(candidate=make_scores(macro_f1=0.79996), baselines={})
    assert apply_gate(evaluation, GateSettings()).sentence() == (
        "macro F1 is 0.79996, but at least 0.80000 is demanded (missed by 4.0×10⁻⁵)"
    )


def test_a_test_set_too_small_for_the_margin_is_a_warning_and_stops_nobody(make_evaluation, make_scores):
    large, small = (make_evaluation(champion=compared(make_scores, lower_bound)) for lower_bound in (-0.005, -0.04))
    few = replace(small, champion=replace(small.champion, difference=replace(small.champion.difference, estimate=0)))
    settings = GateSettings(non_inferiority_margin=0.045)
    assert apply_gate(large, GateSettings(non_inferiority_margin=0.1)).warnings == ()
    result = apply_gate(few, settings)
    assert result.passed
    (warning,) = result.warnings
    assert warning.startswith("a model as good as the champion is refused in about ")
    assert GateResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_a_verdict_written_before_there_were_warnings_is_read_without_one(make_evaluation):
    values = apply_gate(make_evaluation(), GateSettings()).to_json()
    del values["warnings"]
    assert GateResult.from_json(values).warnings == ()


@settings(deadline=None, max_examples=50)
@given(
    measured=st.one_of(st.none(), st.floats(-2, 2)),
    ends=st.tuples(st.floats(-2, 2), st.floats(-2, 2)) | st.just((nan, nan)) | st.none(),
    passed=st.sampled_from([True, False, None]),
    note=st.text(max_size=9),
)
def test_a_result_is_the_same_after_it_went_through_json(measured, ends, passed, note):
    interval = Interval(*ends) if ends else None
    result = GateResult((RuleResult("rule", measured, interval, "at most", 0.2, passed, note),))
    values = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert repr(GateResult.from_json(values)) == repr(result)
    assert values["passed"] is (passed is not False)


def test_the_gates_word_in_json_says_which_rules_passed(make_evaluation):
    values = apply_gate(make_evaluation(latency_ms=600.0), GateSettings()).to_json()
    assert values["passed"] is False
    assert values["rules"][-1] == {
        "rule": "latency of one photo (ms)",
        "measured": 600.0,
        "interval": None,
        "direction": "at most",
        "limit": 500.0,
        "passed": False,
        "note": "",
    }
