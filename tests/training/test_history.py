import json

import pytest

from quality_gate.training.history import Epoch, TrainingHistory

HISTORY = TrainingHistory(
    (
        Epoch(0, None, 0.7, 0.9, 1e-4, True),
        Epoch(1, 0.81, 0.8, 0.6, 1e-4, True),
        Epoch(2, 0.52, 0.75, 0.7, 5e-5, False),
    )
)


def test_the_best_pass_is_the_last_that_was_the_best_so_far():
    assert HISTORY.best.epoch == 1
    assert TrainingHistory(HISTORY.epochs[:1]).best.epoch == 0


def test_a_history_survives_json():
    assert TrainingHistory.from_json(json.loads(json.dumps(HISTORY.to_json()))) == HISTORY


def test_a_history_written_before_the_reason_was_kept_can_be_read():
    values = HISTORY.to_json()
    for epoch in values["epochs"]:
        del epoch["open_stages"], epoch["stop"]

    history = TrainingHistory.from_json(values)

    assert history == HISTORY
    assert (history.stop, history.ending) == (None, "")


@pytest.mark.parametrize(
    ("epochs", "ending"),
    [
        ((Epoch(0, None, 0.7, 0.9, 1e-4, True, stop="epochs"),), ""),
        ((Epoch(0, None, 0.7, 0.9, 1e-4, True), Epoch(1, 0.5, 0.8, 0.8, 1e-4, True, stop="epochs")),
         "ended after pass 1, the last one allowed"),
        ((Epoch(0, None, 0.7, 0.9, 1e-4, True), Epoch(1, 0.5, 0.6, 1.0, 1e-4, False, stop="patience")),
         "stopped after pass 1: none better in 1 pass"),
        ((*HISTORY.epochs, Epoch(3, 0.4, 0.7, 0.7, 1e-4, False, stop="patience")),
         "stopped after pass 3: none better in 2 passes"),
    ],
)  # fmt: skip
def test_a_history_says_when_and_why_it_ended(epochs, ending):
    assert TrainingHistory(epochs).ending == ending


def test_the_curves_have_the_names_of_the_experiment_tracker():
    assert HISTORY.epochs[2].figures() == {
        "train_loss": 0.52,
        "validation_macro_f1": 0.75,
        "validation_log_loss": 0.7,
        "learning_rate": 5e-5,
    }


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (0, "epoch  0  validation macro F1 0.7000  lr 1.0e-04  best so far"),
        (1, "epoch  1  loss 0.8100  validation macro F1 0.8000  lr 1.0e-04  best so far"),
        (2, "epoch  2  loss 0.5200  validation macro F1 0.7500  lr 5.0e-05"),
    ],
)
def test_a_pass_reads_as_one_line(number, line):
    assert str(HISTORY.epochs[number]) == line
