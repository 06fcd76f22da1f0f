import pytest

from quality_gate.errors import UserError
from quality_gate.models.weights import WeightsNotFetched
from quality_gate.training.candidate import Candidate
from quality_gate.training.fallback import train_with_fallback
from quality_gate.training.history import Epoch, TrainingHistory
from quality_gate.transfer_settings import TransferSettings


class Trainings:
    """Trains networks that reach these figures; None: its weights cannot be had."""

    def __init__(self, **reached):
        self.reached = reached
        self.asked = []
        self.lines = []

    def __call__(self, settings, *, seed, key):
        self.asked.append((settings.model, settings.weights_file, key))
        score = self.reached[settings.model]
        if score is None:
            raise WeightsNotFetched(f"no {settings.model}")
        return Candidate(None, None, TrainingHistory((Epoch(0, None, score, 0.5, 1e-4, True),)), settings.model)


def take(trainings, **changes):
    values = {"model": "resnet18", "fallback": ("efficientnet_b0", "efficientnet_lite0"), **changes}
    return train_with_fallback(trainings, TransferSettings(**values), seed=1, key="k", say=trainings.lines.append)


def test_without_a_floor_the_first_is_taken_however_bad():
    trainings = Trainings(resnet18=0.1)
    assert take(trainings).architecture == "resnet18"
    assert trainings.lines == []


def test_a_network_that_reaches_the_floor_ends_the_search():
    trainings = Trainings(resnet18=0.7, efficientnet_b0=0.9)
    assert take(trainings, fallback_below=0.85, weights_file="own.pth").architecture == "efficientnet_b0"
    # The file of weights is one of the first, and a training that was interrupted is known by its network.
    assert trainings.asked == [("resnet18", "own.pth", "k"), ("efficientnet_b0", None, "k-efficientnet_b0")]
    assert trainings.lines == [
        "resnet18: validation macro F1 0.700, below 0.85 (fallback_below); trying efficientnet_b0",
        "efficientnet_b0 is taken, with a validation macro F1 of 0.900",
    ]


def test_where_none_reaches_the_floor_the_best_is_taken():
    trainings = Trainings(resnet18=0.7, efficientnet_b0=0.8, efficientnet_lite0=0.75)
    assert take(trainings, fallback_below=0.85).architecture == "efficientnet_b0"


def test_a_network_whose_weights_cannot_be_had_is_passed_over_with_the_reason():
    trainings = Trainings(resnet18=0.7, efficientnet_b0=None, efficientnet_lite0=0.6)
    assert take(trainings, fallback_below=0.85).architecture == "resnet18"
    assert "efficientnet_b0 is passed over: no efficientnet_b0" in trainings.lines


def test_without_any_weights_the_sentence_reaches_the_user():
    with pytest.raises(UserError, match="no resnet18"):
        take(Trainings(resnet18=None), fallback_below=0.85)
