import pytest

from quality_gate.tuning.budget import Budget, BudgetedReporter, TimeOver


class Listener:
    def __init__(self):
        self.moved, self.lines = [], []

    def progress(self, task):
        return lambda done, total: self.moved.append((task, done, total))

    def say(self, line):
        self.lines.append(line)


def test_the_time_is_over_with_its_last_minute():
    now = [0.0]
    budget = Budget.of(2, lambda: now[0])
    for moment, over in ((0, False), (119, False), (120, True)):
        now[0] = moment
        assert budget.is_over is over


def test_photos_are_read_until_the_time_is_over_and_what_is_complete_is_kept():
    now, listener = [0.0], Listener()
    move = BudgetedReporter(listener, Budget.of(1, lambda: now[0])).progress("features")
    move(1, 3)
    now[0] = 60
    with pytest.raises(TimeOver):
        move(2, 3)
    move(3, 3)
    assert listener.moved == [("features", 1, 3), ("features", 2, 3), ("features", 3, 3)]


def test_lines_are_passed_on():
    listener = Listener()
    BudgetedReporter(listener, Budget.of(1, lambda: 99.0)).say("epoch 1")
    assert listener.lines == ["epoch 1"]
