import numpy as np
import pytest

from quality_gate.reports.class_figures import (
    MOST_NAMED,
    calibration_curves,
    confidence_figure,
    curves_figure,
    named,
    precision_recall_curves,
    roc_curves,
)


def answers(classes, photos=200, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(classes, size=photos), rng.dirichlet(np.ones(classes), size=photos)


def names(classes):
    return [f"class {number} with a name that is far too long for any legend" for number in range(classes)]


def texts(figure):
    (axes,) = figure.axes
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_class_without_photos_has_no_curve():
    labels = np.array([0, 0, 1])
    curves = roc_curves(labels, np.full((3, 3), 1 / 3), ["a", "b", "c"])
    assert [curve.label for curve in curves] == ["a", "b"]
    assert [curve.summary for curve in curves] == [0.5, 0.5]


def test_a_perfect_ranking_goes_through_the_corner():
    labels = np.array([0, 0, 1, 1])
    (first, _) = roc_curves(labels, np.eye(2)[labels], ["a", "b"])
    assert (0.0, 1.0) in set(zip(first.x.tolist(), first.y.tolist(), strict=True))
    assert precision_recall_curves(labels, np.eye(2)[labels], ["a", "b"])[0].summary == 1.0


def test_calibration_of_a_class_is_the_share_of_its_photos_where_it_is_as_probable():
    labels = np.array([0, 0, 0, 1])
    probabilities = np.column_stack([np.full(4, 0.75), np.full(4, 0.25)])
    (first, _) = calibration_curves(labels, probabilities, ["a", "b"], [0.0, 0.0])
    assert (first.x.tolist(), first.y.tolist()) == ([0.75], [0.75])


def test_of_many_classes_the_worst_are_named():
    labels, probabilities = answers(31)
    probabilities[labels == 7, 7] = 0
    curves = roc_curves(labels, probabilities, names(31))
    shown = named(curves)
    assert len(shown) == MOST_NAMED
    assert shown[0].label.startswith("class 7 ")
    assert texts(curves_figure(curves, "roc"))[0] == "other classes"


def test_calibration_of_many_classes_shows_the_worst_alone():
    labels, probabilities = answers(31)
    curves = calibration_curves(labels, probabilities, names(31), np.linspace(0, 0.3, 31).tolist())
    shown = texts(curves_figure(curves, "calibration"))
    assert len(shown) == MOST_NAMED
    assert shown[0].endswith(", 0.300")


@pytest.mark.parametrize("kind", ["roc", "precision_recall", "calibration"])
@pytest.mark.parametrize("classes", [2, 100])
def test_every_name_in_a_legend_is_short(kind, classes):
    labels, probabilities = answers(classes, photos=400)
    curves = {
        "roc": lambda: roc_curves(labels, probabilities, names(classes)),
        "precision_recall": lambda: precision_recall_curves(labels, probabilities, names(classes)),
        "calibration": lambda: calibration_curves(labels, probabilities, names(classes), [0.1] * classes),
    }[kind]()
    shown = texts(curves_figure(curves, kind))
    assert len(shown) <= MOST_NAMED + 1
    assert max(map(len, shown)) < 40


def test_right_and_wrong_answers_are_shares_of_their_own_number():
    figure = confidence_figure(np.array([0.99, 0.98, 0.97, 0.5]), np.array([True, True, True, False]))
    assert texts(figure) == ["3 right answers", "1 wrong answers"]
    assert texts(confidence_figure(np.array([0.9]), np.array([True]))) == ["1 right answers"]
