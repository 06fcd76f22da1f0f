import pytest

from quality_gate.training.curves import TensorBoardCurves
from quality_gate.training.history import Epoch, TrainingHistory

PASSES = (
    Epoch(0, None, 0.5, 0.9, 1e-4, True),
    Epoch(1, 0.8, 0.6, 0.7, 1e-4, True),
    Epoch(2, 0.6, 0.7, 0.6, 5e-5, True),
)


def scalars(folder):
    """Steps and values by name, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {name: [(each.step, each.value) for each in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_every_figure_of_every_pass_is_a_curve(tmp_path):
    with TensorBoardCurves(tmp_path) as curves:
        for epoch in PASSES:
            curves.add(epoch)

    found = scalars(tmp_path)
    assert set(found) == set(PASSES[1].figures())
    assert found["learning_rate"] == [(0, pytest.approx(1e-4)), (1, pytest.approx(1e-4)), (2, pytest.approx(5e-5))]
    assert found["train_loss"] == [(1, pytest.approx(0.8)), (2, pytest.approx(0.6))]


def test_a_pass_can_be_looked_at_before_the_training_ends(tmp_path):
    with TensorBoardCurves(tmp_path) as curves:
        curves.add(PASSES[0])
        assert scalars(tmp_path)["validation_macro_f1"] == [(0, 0.5)]


def test_passes_of_before_an_interruption_are_added_once(tmp_path):
    with TensorBoardCurves(tmp_path) as curves:
        curves.add(PASSES[2])
        curves.add_all(TrainingHistory(PASSES))

    assert sorted(step for step, _ in scalars(tmp_path)["learning_rate"]) == [0, 1, 2]


def test_where_it_is_not_asked_for_nothing_is_written(tmp_path):
    with TensorBoardCurves(None) as curves:
        curves.add(PASSES[0])

    assert list(tmp_path.iterdir()) == []
