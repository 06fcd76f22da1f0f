import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from quality_gate.training.objective import Objective, Rows, balanced_weights
from quality_gate.training.recipe import Recipe

CPU = torch.device("cpu")
PLAIN = Recipe(
    epochs=1, rows_per_epoch=20, learning_rate=1e-3, weight_decay=0.0, batch_size=7, patience=1, seed=0
)  # fmt: skip
LABELS = np.array([0] * 19 + [1])


def objective(*, labels=LABELS, prepare=None, seed=0, **changes):
    inputs = torch.arange(len(labels)).float()[:, None, None, None].expand(-1, 2, 1, 1)
    generator = torch.Generator().manual_seed(seed)
    return Objective.of(Rows(inputs, labels), 2, replace(PLAIN, **changes), CPU, prepare, generator)


class SureOfTheFrequentClass(nn.Module):
    def forward(self, inputs):
        return torch.tensor([2.0, 0.0]).expand(len(inputs), 2)


FREQUENT, RARE = math.log1p(math.exp(-2)), math.log1p(math.exp(2))
ALL = torch.arange(20)


@given(labels=arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 4)))
@settings(deadline=None, max_examples=50)
def test_the_weights_make_every_class_equally_frequent(labels):
    weights = balanced_weights(labels)

    totals = np.bincount(labels, weights=weights)[np.unique(labels)]
    np.testing.assert_allclose(totals, 1)
    assert (weights > 0).all()


@pytest.mark.parametrize("balance", ["sampler", "both"])
def test_the_sampler_draws_a_rare_class_as_often_as_a_frequent_one(balance):
    drawn = torch.cat(objective(balance=balance, rows_per_epoch=2000).steps())

    assert len(drawn) == 2000
    assert 0.45 < LABELS[drawn].mean() < 0.55


@pytest.mark.parametrize("balance", ["loss", "none"])
def test_without_the_sampler_each_row_is_drawn_once_in_a_random_order(balance):
    steps = objective(balance=balance).steps()

    assert [len(step) for step in steps] == [7, 7, 6]
    assert torch.cat(steps).sort().values.tolist() == ALL.tolist()
    assert torch.cat(steps).tolist() != ALL.tolist()


@pytest.mark.parametrize("balance", ["sampler", "none"])
def test_more_rows_can_be_drawn_than_there_are(balance):
    wanted = objective(balance=balance)

    assert sum(len(step) for step in wanted.steps(9)) == 63


def test_the_draws_come_from_the_generator():
    first, again, other = (torch.cat(objective(seed=seed).steps()).tolist() for seed in (1, 1, 2))

    assert first == again != other


@pytest.mark.parametrize(
    ("balance", "expected"),
    [("none", 0.95 * FREQUENT + 0.05 * RARE), ("sampler", 0.95 * FREQUENT + 0.05 * RARE),
     ("loss", 0.5 * FREQUENT + 0.5 * RARE), ("both", 0.5 * FREQUENT + 0.5 * RARE)],
)  # fmt: skip
def test_a_balanced_loss_gives_every_class_the_same_weight(balance, expected):
    assert objective(balance=balance).loss(SureOfTheFrequentClass(), ALL).item() == pytest.approx(expected)


@pytest.mark.parametrize("option", [{"label_smoothing": 0.5}, {"focal_gamma": 2.0}, {"mixup": 1.0}])
def test_every_option_of_the_loss_reaches_it(option):
    torch.manual_seed(0)
    rows = torch.arange(10, 20)
    plain, changed = (
        objective(**changes).loss(SureOfTheFrequentClass(), rows).item() for changes in ({}, option)
    )  # fmt: skip

    if "mixup" in option:
        # An answer that does not depend on the inputs has the same mean loss on mixed targets.
        assert changed == pytest.approx(plain)
        seen = []
        objective(**option).loss(Watch(seen), rows)
        assert any(value != round(value) for value in seen)
    else:
        assert changed != pytest.approx(plain)


class Watch(nn.Module):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, inputs):
        self.seen += inputs[:, 0, 0, 0].tolist()
        return torch.zeros(len(inputs), 2)


def test_rows_are_prepared_as_floats_before_the_network_sees_them():
    seen = []
    halves = objective(prepare=lambda batch, _generator: batch + (0.5 if batch.dtype == torch.float32 else 99))
    halves = replace(halves, train=Rows(halves.train.inputs.half(), LABELS))

    halves.loss(Watch(seen), torch.tensor([3, 5]))

    assert seen == [3.5, 5.5]
