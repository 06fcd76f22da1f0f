import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from quality_gate.training.history import Epoch
from quality_gate.training.unfreezing import StageGate, open_stages


def history(*scores):
    return [Epoch(number, None, score, 0.5, 1e-4, False) for number, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("unfreezing", "scores", "opened"),
    [
        ("at_once", [0.5], 3),
        ("each_epoch", [0.5], 1),
        ("each_epoch", [0.5, 0.6], 2),
        ("each_epoch", [0.5, 0.6, 0.7, 0.8, 0.9], 3),
        ("on_plateau", [0.5], 1),
        ("on_plateau", [0.5, 0.6, 0.7], 1),
        ("on_plateau", [0.5, 0.6, 0.6], 2),
        ("on_plateau", [0.5, 0.4, 0.6, 0.5, 0.4, 0.3], 3),
    ],
)
def test_stages_open_as_the_settings_say(unfreezing, scores, opened):
    assert open_stages(unfreezing, 3, history(*scores)) == opened


@given(
    st.sampled_from(["at_once", "each_epoch", "on_plateau"]),
    st.integers(0, 5),
    st.lists(st.floats(0, 1), min_size=1, max_size=12),
)
def test_no_stage_is_closed_again_and_none_opened_that_is_not_there(unfreezing, stages, scores):
    passes = history(*scores)
    opened = [open_stages(unfreezing, stages, passes[: number + 1]) for number in range(len(passes))]

    assert opened == sorted(opened)
    assert all(0 <= count <= stages for count in opened)


def test_only_the_last_stages_learn_and_what_was_frozen_stays_frozen():
    stages = [nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)]
    stages[2].bias.requires_grad_(False)
    gate = StageGate(stages)
    stages[1].weight.grad = stages[1].weight.detach().clone()

    gate.open_last(1)
    assert [[p.requires_grad for p in stage.parameters()] for stage in stages] == [
        [False, False],
        [False, False],
        [True, False],
    ]
    assert stages[1].weight.grad is None

    gate.open_last(3)
    assert [[p.requires_grad for p in stage.parameters()] for stage in stages] == [
        [True, True],
        [True, True],
        [True, False],
    ]


def test_without_stages_there_is_nothing_to_open():
    gate = StageGate([])
    gate.open_last(0)
    assert len(gate) == 0
