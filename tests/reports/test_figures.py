import sys
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from quality_gate.evaluation.metrics import reliability_curve
from quality_gate.models.manifest import RoutingCertificate
from quality_gate.reports import figures
from quality_gate.reports.rendering import picture
from quality_gate.training.history import Epoch

CLASSES = ("onion", "potato", "tomato")
COUNTS = np.array([[8, 2, 0], [0, 9, 1], [0, 0, 10]])


def certificate(threshold):
    return RoutingCertificate(0.05, 0.1, threshold, 0.8, 80, 1, 100, 0.04)


def answers(photos=40, seed=0):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.4, 1, photos)
    return confidence, rng.uniform(size=photos) < confidence


def texts(axes):
    return [text.get_text() for text in axes.texts]


def tick_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def epoch(number, *, best=False, macro_f1=0.9):
    return Epoch(number, None if number == 0 else 0.5 / number, macro_f1, 0.4, 1e-4, best)


def test_no_figure_needs_pyplot(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert svg(figures.confusion_figure(COUNTS, CLASSES))
    assert svg(figures.training_figure([epoch(0, best=True)]))


def test_the_confusion_matrix_writes_every_count_with_its_share_of_the_row_and_leaves_empty_cells_empty():
    (axes,) = figures.confusion_figure(COUNTS, CLASSES).axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    # Position is (answer, true class).
    assert cells == {
        (0.5, 0.5): "8\n80%", (1.5, 0.5): "2\n20%", (1.5, 1.5): "9\n90%", (2.5, 1.5): "1\n10%", (2.5, 2.5): "10\n100%",
    }  # fmt: skip


def test_where_cells_are_small_the_count_stands_alone():
    (axes,) = figures.confusion_figure(np.eye(9, dtype=np.int64) * 12, [f"class {number}" for number in range(9)]).axes
    assert set(texts(axes)) == {"12"}


def test_the_confusion_matrix_reads_from_top_to_bottom():
    (axes,) = figures.confusion_figure(COUNTS, CLASSES).axes
    low, high = axes.get_ylim()
    assert low > high
    assert tick_texts(axes.yaxis) == list(CLASSES)


def test_right_and_wrong_cells_have_different_colours_by_share_of_the_row():
    right, wrong = figures.confusion_figure(COUNTS, CLASSES).axes[0].collections
    assert np.ma.filled(right.get_array(), -1).diagonal().tolist() == [0.8, 0.9, 1.0]
    assert np.ma.filled(wrong.get_array(), -1)[0].tolist() == [-1, 0.2, -1]
    assert right.get_cmap().name != wrong.get_cmap().name


def test_a_class_without_photos_is_an_empty_row():
    counts = COUNTS.copy()
    counts[1] = 0
    assert picture(figures.confusion_figure(counts, CLASSES))


@pytest.mark.parametrize("size", [2, 9, 31, 100])
def test_names_and_counts_of_the_confusion_matrix_are_large_enough_to_be_read(size):
    figure = figures.confusion_figure(np.eye(size, dtype=np.int64), [f"class {n}" for n in range(size)])
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert len(axes.texts) == size
    assert min(text.get_fontsize() for text in axes.texts) >= 5.5
    names = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(upper.y0 > lower.y1 - 1 for upper, lower in pairwise(names))
    assert min(label.get_fontsize() for label in axes.get_yticklabels()) >= 6.5


def test_class_names_are_shown_as_they_are_and_cut_when_long():
    names = ["<b>$x$ & co", "y" * 60]
    figure = figures.confusion_figure(np.eye(2, dtype=np.int64), names)
    assert tick_texts(figure.axes[0].yaxis) == [r"<b>\$x\$ & co", "y" * 23 + "…"]
    assert svg(figure)


def test_the_reliability_diagram_shows_every_used_bin_with_an_interval_inside_0_to_1():
    probabilities = np.array([[0.95, 0.05], [0.9, 0.1], [0.55, 0.45]])
    curve = reliability_curve(np.array([0, 0, 1]), probabilities)
    upper, lower = figures.reliability_figure(curve, probabilities.max(axis=1)).axes
    (bars,) = upper.containers
    assert bars.lines[0].get_xdata().tolist() == curve.confidence.tolist()
    ends = np.array([segment[:, 1] for segment in bars.lines[2][0].get_segments()])
    assert ((ends >= 0) & (ends <= 1)).all()
    assert (ends[:, 0] < ends[:, 1]).all()
    assert sum(patch.get_height() for patch in lower.patches) == 3


def test_the_risk_coverage_curve_marks_what_the_threshold_accepts_and_how_much_of_it_is_wrong():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, False])
    (axes,) = figures.risk_coverage_figure({"candidate": (confidence, correct)}, certificate(0.7)).axes
    assert "threshold 0.700:\n75% accepted, 33.3% wrong" in texts(axes)
    assert "α = 5%" in texts(axes)


def test_without_a_threshold_the_risk_coverage_curve_says_so():
    (axes,) = figures.risk_coverage_figure({"candidate": answers()}, certificate(None)).axes
    assert "no threshold could be certified" in texts(axes)


def test_a_threshold_no_photo_reaches_is_not_marked():
    (axes,) = figures.risk_coverage_figure({"candidate": answers()}, certificate(1.0)).axes
    assert texts(axes) == ["α = 5%"]


def test_the_risk_coverage_curve_of_every_model_has_its_own_dashes():
    models = {name: answers(seed=seed) for seed, name in enumerate(("candidate", "champion", "histogram", "scratch"))}
    (axes,) = figures.risk_coverage_figure(models, certificate(0.7)).axes
    lines = [line for line in axes.get_lines() if line.get_label() in models]
    assert [line.get_label() for line in lines] == list(models)
    assert len({str(line._dash_pattern) for line in lines}) == 4


def test_a_flawless_model_still_shows_the_share_allowed():
    (axes,) = figures.risk_coverage_figure(
        {"candidate": (np.array([0.9, 0.8]), np.array([True, True]))}, certificate(0.5)
    ).axes
    assert axes.get_ylim()[1] > 0.05


def test_a_curve_of_many_photos_is_thinned_but_keeps_its_end():
    confidence, correct = answers(5000)
    (axes,) = figures.risk_coverage_figure({"candidate": (confidence, correct)}, certificate(None)).axes
    line = axes.get_lines()[0]
    assert len(line.get_xdata()) <= figures.CURVE_POINTS
    assert line.get_xdata()[-1] == 1
    assert line.get_ydata()[-1] == np.mean(~correct)


def test_the_training_curve_marks_the_last_best_pass():
    history = [epoch(0, best=True), epoch(1, best=True, macro_f1=0.93), epoch(2, macro_f1=0.92)]
    figure = figures.training_figure(history)
    assert "kept: pass 1, 0.930" in texts(figure.axes[1])


def test_the_training_curve_says_why_training_ended():
    history = [epoch(0, best=True), epoch(1), replace(epoch(2), stop="patience")]
    figure = figures.training_figure(history)
    assert figure.axes[0].get_title(loc="left") == "stopped after pass 2: none better in 2 passes"


def test_the_training_curve_marks_where_the_rate_was_lowered_and_where_stages_were_opened():
    history = [
        epoch(0, best=True),
        replace(epoch(1), open_stages=1),
        replace(epoch(2), open_stages=2),
        replace(epoch(3), open_stages=2, learning_rate=5e-5),
    ]
    rate = figures.training_figure(history).axes[2]
    marks = {line.get_label(): line.get_xdata() for line in rate.lines}
    assert tuple(marks["rate lowered"]) == (3,)
    assert tuple(marks["stage opened"]) == (2,)
    assert [text.get_text() for text in rate.get_legend().get_texts()] == ["rate lowered", "stage opened"]


def test_a_training_without_changes_has_no_marks_of_them():
    rate = figures.training_figure([epoch(0, best=True), epoch(1)]).axes[2]
    assert rate.get_legend() is None


def test_training_that_ended_before_its_first_pass_can_be_drawn():
    assert svg(figures.training_figure([epoch(0, best=True)]))


def svg(figure):
    import base64

    return ElementTree.fromstring(base64.b64decode(picture(figure).split(",")[1]))
