"""A training that is a formula."""

import pytest

from quality_gate.settings import TrainingSettings
from quality_gate.training.history import Epoch, TrainingHistory
from quality_gate.transfer_settings import TransferSettings
from quality_gate.tuning.budget import Budget
from quality_gate.tuning.search import search
from quality_gate.tuning.settings import SearchSettings
from quality_gate.tuning.space import Space
from quality_gate.tuning.study import KeptStudy

PHOTOS = 100
# The learning rate and the balance of classes alone: the rest is left as it is.
SEARCH = dict.fromkeys(SearchSettings.model_fields) | {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "class_balance": ["sampler", "loss", "both", "none"],
}
RECIPE = TransferSettings(finetune_min_photos=0, learning_rate=1e-4)


def score(settings):
    """Best at a learning rate of 1e-3 and without balance."""
    return 0.5 + 0.1 * (settings.class_balance == "none") + 300 * min(settings.learning_rate, 1e-3)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Listener:
    """Keeps what it is told."""

    def __init__(self):
        self.lines, self.done = [], {}

    def progress(self, task):
        return lambda done, total: self.done.update({task: (done, total)})

    def say(self, line):
        self.lines.append(line)


class Formula:
    """A training of three passes; ``tried`` lists the settings, each pass takes ``seconds``."""

    def __init__(self, clock, formula=score, seconds=1.0):
        self.clock, self.formula, self.seconds, self.tried = clock, formula, seconds, []

    def __call__(self, settings, on_epoch):
        self.tried.append(settings)
        value = self.formula(settings)
        epochs = []
        for number in range(4):
            self.clock.now += self.seconds
            last = number == 3
            macro_f1 = value * (0.7 + 0.1 * number)
            stop = "epochs" if last else None
            epochs.append(Epoch(number, 0.1, macro_f1, 1 - macro_f1, 0.001, True, stop=stop, brier=1 - macro_f1))
            on_epoch(epochs[-1])
        return TrainingHistory(tuple(epochs))


class Tuning:
    """Tunes the formula in one study of a folder; what is named differs from the usual."""

    def __init__(self, folder, tracked):
        self.path, self.clock = folder / "studies" / "one.journal", Clock()
        self.tracked, self.listener = tracked, Listener()

    def settings(self, **changes):
        whole = {"trials": 12, "search": SEARCH, "minutes": 60} | changes
        return TrainingSettings.model_validate({"tuning": whole}).tuning

    def study(self, **changes):
        settings = self.settings(**changes)
        return KeptStudy(self.path, Space.around(RECIPE, settings.search, PHOTOS), settings)

    def run(self, attempt=None, **changes):
        """Search; gives the study, and what was tried in this run."""
        settings = self.settings(**changes)
        space = Space.around(RECIPE, settings.search, PHOTOS)
        study, attempt = KeptStudy(self.path, space, settings), attempt or Formula(self.clock)
        budget = Budget.of(settings.minutes, self.clock)
        search(study, space, settings, attempt, budget=budget, run=self.tracked, reporter=self.listener)
        return study, getattr(attempt, "tried", None)


@pytest.fixture
def tuning(tmp_path, make_tracked):
    return Tuning(tmp_path, make_tracked())


@pytest.fixture
def another(tmp_path_factory, make_tracked):
    """A tuning with a study of its own."""
    return Tuning(tmp_path_factory.mktemp("another"), make_tracked())


@pytest.fixture
def formula():
    """Makes a training from a clock and how long a pass takes."""
    return Formula
