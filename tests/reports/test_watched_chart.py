import numpy as np

from quality_gate.evaluation.bootstrap import Interval
from quality_gate.evaluation.watched_scores import WatchedScores
from quality_gate.models.watched_class import WatchedClass
from quality_gate.reports.watched_chart import watched_figure

WATCHED = WatchedScores(
    WatchedClass("$defect$", 0.98, 0.1, 120, 2), 50, 2, 0, 10, 0.96, 0.2, 0.8, 0.87,
    {"recall": Interval(0.86, 0.99), "false_alarm_rate": Interval(0.1, 0.3)},
)  # fmt: skip


def test_the_point_in_use_is_marked_on_the_curve_with_its_intervals_and_what_was_asked_for():
    curve = np.array([0, 0.1, 0.2, 1.0]), np.array([0, 0.8, 0.96, 1.0])
    figure = watched_figure(*curve, WATCHED)
    (axes,) = figure.axes
    (text,) = axes.texts
    assert text.get_text() == "threshold 0.100:\n20.0% false alarms,\n96.0% found (98% asked for)"
    assert axes.get_lines()[1].get_ydata() == [0.98, 0.98]
    assert axes.get_lines()[0].get_xydata().tolist() == np.column_stack(curve).tolist()
    ((point, _, (across, up)),) = axes.containers
    assert point.get_xydata().tolist() == [[0.2, 0.96]]
    assert np.allclose(across.get_segments()[0][:, 0], [0.1, 0.3])
    assert np.allclose(up.get_segments()[0][:, 1], [0.86, 0.99])
    # A name is no formula.
    figure.canvas.draw()
    assert axes.get_ylabel() == r"found of \$defect\$"
