import io
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from quality_gate.evaluation.bootstrap import Interval, PairedDifference
from quality_gate.evaluation.gate import GateResult, RuleResult
from quality_gate.evaluation.metrics import compute_metrics
from quality_gate.evaluation.operating_points import Answers, operating_points
from quality_gate.evaluation.scores import (
    ChampionComparison,
    CrossValidation,
    Evaluation,
    Margin,
    MemberScores,
    Scores,
)
from quality_gate.evaluation.slices import Slice
from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.models.watched_class import WatchedClass
from quality_gate.reports import evaluation_page as module
from quality_gate.reports import evaluation_plots
from quality_gate.reports.error_photos import Evidence, WorstError
from quality_gate.reports.evaluation_data import ReportData
from quality_gate.reports.evaluation_page import evaluation_page
from quality_gate.reports.key_findings import Background
from quality_gate.training.history import Epoch

CLASSES = ("onion", "<script>alert(1)</script>", "tomato")
LABELS = np.array([0, 0, 1, 1, 2, 2])
SURE = np.array([0.9, 0.9, 0.8, 0.8, 0.7, 0.6])
ANSWERED = np.array([0, 0, 1, 2, 2, 0])
HISTORY = (Epoch(0, None, 0.8, 0.5, 1e-4, True), Epoch(1, 0.4, 0.9, 0.3, 1e-4, True))
CERTIFICATE = RoutingCertificate(0.05, 0.1, 0.65, 0.74, 74, 1, 100, 0.0483)
NO_CERTIFICATE = RoutingCertificate(0.05, 0.1, None, 0.0, 0, 0, 20, None)
PASSED = RuleResult("macro F1", 0.9, Interval(0.8, 0.95), "at least", 0.8, True)
FAILED = RuleResult("Brier score", 0.3, Interval(0.2, 0.4), "at most", 0.2, False)
NOT_APPLICABLE = RuleResult("champion", None, None, "at least", -0.03, None, "does not apply: there is no champion yet")


def answers(sure=SURE, answered=ANSWERED):
    rest = (1 - sure) / (len(CLASSES) - 1)
    probabilities = np.repeat(rest[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(len(sure)), answered] = sure
    return probabilities


def scores(probabilities):
    metrics = compute_metrics(LABELS, probabilities, CLASSES)
    names = [*metrics.scalars(), *(f"recall:{name}" for name in CLASSES)]
    return Scores(metrics, {name: Interval(0.123, 0.987) for name in names})


def photo_bytes(colour="red"):
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), colour).save(buffer, "PNG")
    return buffer.getvalue()


def evaluation(**changes):
    baselines = {"histogram": scores(answers(answered=np.zeros(6, int))), "scratch": scores(answers())}
    whole = Evaluation(
        "tomatoes <i>", CLASSES, 6, "9f" * 32, scores(answers()), baselines, None, CERTIFICATE, 1e-7, 13.5, 41.0
    )
    return replace(whole, **changes)


def data(routing=CERTIFICATE, others=(), **changes):
    given = Answers(SURE, ANSWERED == LABELS, np.arange(len(LABELS)), 50, 0)
    points = operating_points(routing, others, given)
    whole = ReportData(
        LABELS,
        {"scratch": answers(), "candidate": answers()},
        HISTORY,
        (),
        {"brightness": (dark(),)},
        points,
        "class_activation",
        Background(40, 1, 2, dict.fromkeys(CLASSES, 10), "efficientnet_lite0", "efficientnet_lite0", "sampler", 0.8),
    )
    return replace(whole, **changes)


def dark(**changes):
    whole = Slice("brightness", "dark", 0.1, 0.3, 40, 0.912, Interval(0.85, 0.95), 0.813, Interval(0.7, 0.9), 0.01)
    return replace(whole, **changes)


def worst_error(sure=0.8, **changes):
    best = (("tomato", sure), ("onion", 0.15), ("leek", 0.05))
    return replace(WorstError(photo_bytes(), "a/b.jpg", "onion", "tomato", sure, best, None), **changes)


def page(measured=None, rules=(PASSED, NOT_APPLICABLE), shown=None, **changes):
    whole = measured or evaluation(**changes)
    return evaluation_page(
        whole,
        GateResult(rules),
        shown or data(whole.routing),
        run="run <1>",
        created=datetime(2026, 3, 4, 10, 11, tzinfo=UTC),
    )


class Parsed(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.images, self.words = set(), [], []
        self.open = ["html"]
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_endtag(self, tag):
        self.open.append("")

    def handle_data(self, text):
        if self.open[-1] != "style":
            self.words.append(text)


@pytest.fixture(scope="module")
def passed():
    return Parsed(page())


@pytest.fixture
def drawn():
    """For tests that need real figures."""


@pytest.fixture(autouse=True)
def _figures_are_not_drawn(request, monkeypatch):
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(evaluation_plots, "picture", lambda figure: "data:image/svg+xml;base64,AA==")


def test_a_passed_candidate_is_said_to_have_passed_by_the_rules_that_apply(passed):
    assert "Passed: the model has earned its place in production." in passed.text
    assert "fulfils the one rule that applies" in passed.text
    assert "Stopped" not in passed.text


def test_a_stopped_candidate_names_the_rule_and_by_how_much():
    text = Parsed(page(rules=(PASSED, FAILED, NOT_APPLICABLE))).text
    assert "Stopped by 1 of 2 rules" in text
    assert "Brier score is 0.300, but at most 0.200 is demanded (missed by 0.100)." in text
    assert "Nothing goes into production." in text


def test_a_rule_that_does_not_apply_says_why(passed):
    assert "does not apply: there is no champion yet" in passed.text


def test_the_certificate_is_told_for_a_thousand_photos(passed):
    assert (
        "about 740 are accepted, at most 37 of them wrong (with confidence 90%), and about 260 go to review"
        in passed.text
    )
    assert "α = 5%, confidence 90%" in passed.text


def test_the_promise_is_compared_with_the_test_photos(passed):
    assert "On the test photos 5 of 6 (83.3%) are accepted, 1 of them wrong (20.0%): more than α." in passed.text


def test_a_promise_kept_on_the_test_photos_is_confirmed():
    text = Parsed(page(routing=replace(CERTIFICATE, threshold=0.85))).text
    assert "confirmed On the test photos 2 of 6 (33.3%) are accepted, 0 of them wrong (0.0%)." in text


def test_a_threshold_that_no_test_photo_reaches_is_worth_a_warning():
    assert (
        "None of the test photos reaches the threshold"
        in Parsed(page(routing=replace(CERTIFICATE, threshold=1.0))).text
    )


def test_where_nothing_could_be_certified_the_page_says_so_beside_the_verdict_and_why():
    text = Parsed(page(routing=NO_CERTIFICATE)).text
    assert "every photo goes to review" in text.split("The gate")[0]
    assert "Nothing could be certified: every photo goes to review." in text
    assert "too few: even without an error it takes 45 of them" in text
    assert "of 1,000" not in text


def test_every_model_is_compared_by_every_metric_and_the_best_is_bold():
    html = page(champion=ChampionComparison("7", CLASSES, scores(answers()), difference(0.012)))
    text = Parsed(html).text
    for title in ("Candidate", "Champion 7", "Baseline: histogram", "Baseline: scratch"):
        assert title in text
    for _, name, _ in module.METRICS:
        assert name in text
    assert "0.123 to 0.987" in text
    accuracy = html.split("<td>Accuracy")[1].split("</tr>")[0]
    assert [cell.startswith(" best") for cell in accuracy.split('class="number')[1:]] == [True, True, False, True]


def test_the_difference_to_the_champion_keeps_its_sign():
    text = Parsed(page(champion=ChampionComparison("7", CLASSES, scores(answers()), difference(0.012)))).text
    assert "+0.012 (95% interval −0.010 to 0.030; one-sided lower bound −0.008)" in text


def test_a_champion_with_other_classes_is_not_compared_and_this_is_said():
    text = Parsed(page(champion=ChampionComparison("7", ("apple", "pear"), None, None), rules=(FAILED,))).text
    assert "Champion 7 is not in the table, for it knows other classes: apple, pear." in text
    assert "Champion 7 stays in production." in text


def test_names_from_outside_are_escaped_everywhere():
    error = worst_error(path='"><script>x</script>.jpg', true_label=CLASSES[1], best=((CLASSES[1], 0.9),))
    parsed = Parsed(page(shown=data(worst=(error,)), rules=(replace(FAILED, rule=f"recall of {CLASSES[1]}"),)))
    assert not parsed.tags & {"script", "iframe", "object", "link"}
    assert f"{CLASSES[1]}: 1 of 2 photos answered wrong" in parsed.text
    assert "Evaluation of tomatoes <i>" in parsed.text


def test_the_page_needs_nothing_from_outside(passed):
    assert passed.images
    assert all(image["src"].startswith("data:image/") for image in passed.images)
    assert not passed.tags & {"script", "link", "iframe"}


def test_every_picture_says_what_it_shows():
    error = worst_error(evidence=Evidence(photo_bytes("grey"), photo_bytes("blue")))
    images = Parsed(page(shown=data(worst=(error,)))).images
    assert len(images) == 11
    assert all(len(image["alt"]) > 20 for image in images)
    of_classes = [
        "ROC curves",
        "Precision against recall",
        "Calibration of each class",
        "Confidence of 4 right answers",
    ]
    assert all(image["alt"].startswith(told) for image, told in zip(images, of_classes, strict=False))
    assert f"{CLASSES[1]} taken for tomato (1)" in images[4]["alt"]
    assert [image["alt"] for image in images[8:]] == [
        "a/b.jpg: onion, taken for tomato",
        "What in a/b.jpg spoke for the answer tomato",
        "What in a/b.jpg spoke for the true class onion",
    ]


def test_an_error_shows_its_most_probable_classes_and_whether_it_would_have_been_accepted():
    worst = tuple(worst_error(sure, path=f"{sure}.jpg") for sure in (0.8, 0.6))
    text = Parsed(page(shown=data(worst=worst))).text.split("Worst errors")[1]
    assert "tomato 80.0% onion 15.0% leek 5.0% ✕ accepted 0.8.jpg" in text
    assert "tomato 60.0% onion 15.0% leek 5.0% – to review 0.6.jpg" in text


def test_a_network_without_maps_is_said_to_have_none():
    text = Parsed(page(shown=data(worst=(worst_error(),)))).text
    assert "there are no maps of this network" in text
    assert "Zhou" not in text


def test_maps_are_explained_where_there_are_any():
    error = worst_error(evidence=Evidence(photo_bytes(), photo_bytes()))
    text = Parsed(page(shown=data(worst=(error,)))).text
    assert "class activation maps (Zhou et al. 2016), exact for this network" in text
    assert "there are no maps" not in text


@pytest.mark.parametrize(("method", "author"), [("grad_cam", "Selvaraju"), ("integrated_gradients", "Sundararajan")])
def test_maps_of_another_method_are_said_to_be_such(method, author):
    error = worst_error(evidence=Evidence(photo_bytes(), photo_bytes()))
    text = Parsed(page(shown=data(worst=(error,), method=method))).text
    assert author in text
    assert "Zhou" not in text


def test_the_operators_table_has_the_threshold_in_use_between_two_others():
    others = (replace(CERTIFICATE, alpha=0.025, threshold=0.75, coverage=0.5),)
    text = Parsed(page(shown=data(others=others))).text.split("at three thresholds")[1].split("Beside")[0]
    assert "Stricter In use Confidence 0.5" in text
    assert "≤ 2.5% wrong with confidence 90% ≤ 5% wrong with confidence 90% none nothing proven" in text
    assert "accepted, about 500 740 –" in text
    assert "wrong among them, at most 13 37 –" in text
    assert "Of a column with dashes nothing is proven" in text


def test_a_certificate_for_every_answer_is_told_without_a_threshold():
    text = Parsed(page(routing=replace(CERTIFICATE, threshold=0.0, coverage=1.0))).text
    assert "Every answer is accepted." in text
    assert "from a confidence of 0.000" not in text.split("at three thresholds")[0]


def test_a_slice_is_told_with_its_figures():
    text = Parsed(page()).text.split("Light, sharpness and size")[1].split("Figures")[0]
    assert "No slice is clearly worse than the whole." in text
    assert "dark 0.100 to 0.300 40 0.912 0.850 to 0.950 0.813 0.700 to 0.900" in text


def test_a_slice_that_is_clearly_worse_is_marked():
    text = Parsed(page(shown=data(slices={"brightness": (dark(gap_bound=-0.01),)}))).text
    assert "1 of 1 slices is clearly worse than the whole." in text
    assert "dark ! clearly worse" in text


def test_a_slice_of_few_photos_has_no_figures():
    text = Parsed(page(shown=data(slices={"brightness": (dark(photos=29, gap_bound=-0.01),), "megapixels": ()}))).text
    assert "dark 0.100 to 0.300 29 – too few below 30 photos nothing is said" in text
    assert "0.912" not in text
    assert "clearly worse than the whole." not in text
    assert "Size, in megapixels – nearly the same for all test photos" in text


def test_a_flawless_candidate_has_no_worst_errors():
    right = answers(answered=LABELS)
    assert "No test photo was answered wrong." in Parsed(page(shown=data(probabilities={"candidate": right}))).text


def test_errors_without_pictures_are_still_counted(passed):
    assert "2 test photos were answered wrong; none is shown here." in passed.text


def test_without_fine_tuning_there_is_no_training_curve():
    images = Parsed(page(shown=data(history=()))).images
    assert not any("Training" in image["alt"] for image in images)


def test_the_origin_is_told(passed):
    assert all(part in passed.text for part in ("9f" * 32, "run <1>", "2026-03-04 10:11 UTC"))


@pytest.mark.usefixtures("drawn")
def test_the_same_evaluation_gives_the_same_page():
    assert page() == page()


def test_a_metric_that_is_undefined_is_a_dash():
    whole = scores(answers())
    undefined = Scores(
        replace(whole.metrics, roc_auc_ovr=float("nan")),
        whole.intervals | {"roc_auc_ovr": Interval(float("nan"), float("nan"))},
    )
    html = page(candidate=undefined, baselines={})
    assert "nan" not in Parsed(html).text.lower()


def test_many_classes_get_a_list_of_the_most_frequent_errors():
    classes = tuple(f"class {index}" for index in range(12))
    labels = np.arange(12)
    probabilities = np.full((12, 12), 0.5 / 11)
    probabilities[labels, np.where(labels == 3, 4, labels)] = 0.5
    metrics = compute_metrics(labels, probabilities, classes)
    names = [*metrics.scalars(), *(f"recall:{name}" for name in classes)]
    measured = Scores(metrics, {name: Interval(0, 1) for name in names})
    text = Parsed(
        page(
            evaluation(classes=classes, candidate=measured, baselines={}),
            shown=replace(
                data(),
                labels=labels,
                probabilities={"candidate": probabilities},
                known=replace(data().known, learnt=dict.fromkeys(classes, 10)),
            ),
        )
    ).text
    assert "class 3 → class 4 1 100.0%" in text


def test_the_key_findings_stand_before_the_rules():
    text = Parsed(page()).text
    assert text.index("Key findings") < text.index("The gate Every rule")
    assert "1 of 40 files cannot be read, 2 more are left out" in text


def test_each_class_has_its_figures_against_the_rest_and_both_means_below():
    html = page()
    table = html.split("<h2>Each class</h2>")[1].split("</table>")[0]
    for title in ("ROC AUC", "PR AUC", "Brier", "Calibration error"):
        assert title in table
    metrics = scores(answers()).metrics
    assert f">{metrics.weighted('f1'):.3f}<" in table.split("Weighed by photos")[1]


def test_the_members_of_an_ensemble_stand_beside_it_with_what_it_gains():
    members = (
        MemberScores("resnet18", 0.75, scores(answers()), Margin(0.012, Interval(-0.01, 0.03))),
        MemberScores("compact_cnn/4", 0.25, scores(answers()), Margin(0.2, Interval(0.1, 0.3))),
    )
    text = Parsed(page(members=members)).text
    assert "Member 1: resnet18 Member 2: compact_cnn/4 Baseline: histogram" in text
    assert "resnet18 with a weight of 0.750, whose macro F1 alone it changes by +0.012 (95% interval −0.010 to" in text
    assert "The candidate is an ensemble" not in Parsed(page()).text


def difference(estimate):
    return PairedDifference(estimate, Interval(-0.01, 0.03), -0.008)


CHOSEN = WatchedClass("tomato", 0.98, 0.1, 120, 2)
WATCHED = WatchedScores(
    CHOSEN, 2, 1, 1, 3, 0.5, 0.75, 0.25, 0.3333, {
        name: Interval(0.123, 0.987) for name in ("recall", "false_alarm_rate", "precision", "f1")
    },
)  # fmt: skip


def test_without_a_watched_class_nothing_is_said_of_one():
    assert "must not be missed" not in Parsed(page()).text


def test_the_watched_class_is_told_with_its_threshold_its_figures_and_what_nobody_would_have_seen():
    text = Parsed(page(evaluation(watched=WATCHED))).text
    assert "The class that must not be missed: tomato" in text
    assert "the highest that finds 98% of them, 118 of 120 validation photos were found" in text
    assert "Of 2 test photos of tomato 1 was missed, 1 of them accepted as something else" in text
    assert "Recall 0.500 0.123 to 0.987" in text
    assert "False alarms 0.750 0.123 to 0.987" in text


def test_the_curve_of_the_watched_class_says_in_words_where_the_point_lies():
    alts = [
        image["alt"] for image in Parsed(page(evaluation(watched=WATCHED))).images if "Recall of tomato" in image["alt"]
    ]
    assert alts == [
        "Recall of tomato against the share of other photos answered with it, for every threshold; at the threshold "
        "0.100 50.0% are found at 75.0% false alarms."
    ]


def test_the_errors_and_the_confusion_matrix_are_those_of_the_answers_that_are_served():
    # At 0.09 of those 90% sure the class stays; the rest leave more than that to the watched one.
    images = Parsed(page(evaluation(watched=replace(WATCHED, chosen=replace(CHOSEN, threshold=0.09))))).images
    (matrix,) = (image["alt"] for image in images if "Confusion matrix" in image["alt"])
    assert matrix.endswith("Most frequent errors: <script>alert(1)</script> taken for tomato (2).")


def test_the_key_findings_count_the_errors_that_make_recall_and_precision_whatever_is_watched():
    text = Parsed(page(evaluation(watched=WATCHED))).text
    assert "Lowest precision tomato: 0.500 1 of 2 answers with it are wrong" in text


def test_without_cross_validation_nothing_is_said_of_it():
    assert "Cross-validation" not in Parsed(page()).text


def test_cross_validation_is_told_with_every_method_and_the_lead_over_the_baselines():
    methods = {"candidate": scores(answers()), "histogram": scores(answers(answered=np.zeros(6, int)))}
    crossed = CrossValidation(5, 4, 66, methods, {"histogram": Margin(0.25, Interval(0.1, 0.4))})
    text = Parsed(page(evaluation(cross_validation=crossed))).text
    assert "The test set has 6 photos." in text
    assert "every of 5 folds of all 66 photos, 4 times over" in text
    assert "histogram" in text
    assert "+0.250 0.100 to 0.400" in text
