import numpy as np

from quality_gate.reports.evaluation_plots import MOST_CONFUSIONS, Confusion, confusions, training_plot


def test_confusions_are_the_most_frequent_errors_with_their_share_of_the_class():
    counts = np.array([[6, 2, 0], [0, 1, 3], [0, 0, 5]])
    assert confusions(counts, ("a", "b", "c")) == [Confusion("b", "c", 3, 0.75), Confusion("a", "b", 2, 0.25)]


def test_of_many_confusions_the_first_are_told():
    counts = np.arange(1, 26).reshape(5, 5)
    found = confusions(counts, tuple("abcde"))
    assert len(found) == MOST_CONFUSIONS
    assert [pair.photos for pair in found] == [24, 23, 22, 21, 20, 18, 17, 16, 15, 14]


def test_without_fine_tuning_there_is_no_curve():
    assert training_plot(()) is None
