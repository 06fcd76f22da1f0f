import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from quality_gate.training.losses import FocalCrossEntropy, class_weights, mixup, soft_targets

CLASSES = 4
ONES = torch.ones(CLASSES)


def some_logits(rows=6, seed=0):
    return torch.randn(rows, CLASSES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_without_a_focal_factor_it_is_the_cross_entropy_of_torch(smoothing):
    loss = FocalCrossEntropy(ONES)(some_logits(), soft_targets(LABELS, CLASSES, smoothing))

    torch.testing.assert_close(loss, functional.cross_entropy(some_logits(), LABELS, label_smoothing=smoothing))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_focal_factor_is_that_of_the_paper(gamma):
    loss = FocalCrossEntropy(ONES, gamma)(some_logits(), soft_targets(LABELS, CLASSES, 0.0))

    right = some_logits().softmax(dim=1)[torch.arange(6), LABELS]
    torch.testing.assert_close(loss, (-((1 - right) ** gamma) * right.log()).mean())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("sureness", [1e-4, 1.0, 50.0, 500.0])
def test_the_slope_is_finite_however_sure_the_network_is(gamma, sureness):
    logits = (some_logits() * sureness).requires_grad_()

    torch.autograd.backward(FocalCrossEntropy(ONES, gamma)(logits, soft_targets(LABELS, CLASSES, 0.1)))

    assert torch.isfinite(logits.grad).all()


def test_known_rows_count_less_the_higher_gamma():
    logits = torch.tensor([[4.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]])
    targets = soft_targets(torch.tensor([0, 0]), CLASSES, 0.0)

    shares = []
    for gamma in (0.0, 1.0, 2.0):
        known, unknown = (float(FocalCrossEntropy(ONES, gamma)(logits[row : row + 1], targets[:1])) for row in (0, 1))
        shares.append(known / (known + unknown))
    assert shares == sorted(shares, reverse=True)


def test_a_class_counts_by_its_weight():
    targets = soft_targets(LABELS, CLASSES, 0.0)
    weights = torch.tensor([2.0, 0.0, 1.0, 1.0])

    loss = FocalCrossEntropy(weights)(some_logits(), targets)

    each = functional.cross_entropy(some_logits(), LABELS, reduction="none")
    torch.testing.assert_close(loss, (each * weights[LABELS]).mean())


@given(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=50))
@settings(deadline=None, max_examples=50)
def test_every_class_present_weighs_the_same_in_all_and_rows_weigh_one_in_the_mean(labels):
    labels = np.array(labels)
    weights = class_weights(labels, CLASSES)

    totals = np.bincount(labels, weights=weights[labels], minlength=CLASSES)
    present = np.bincount(labels, minlength=CLASSES) > 0
    np.testing.assert_allclose(totals[present], len(labels) / present.sum(), rtol=1e-5)
    assert not weights[~present].any()
    np.testing.assert_allclose(weights[labels].mean(), 1, rtol=1e-5)


@given(st.floats(0, 0.99), st.integers(2, 9))
@settings(deadline=None, max_examples=30)
def test_targets_sum_to_one_and_lean_to_the_class(smoothing, classes):
    targets = soft_targets(torch.tensor([1, 0]), classes, smoothing)

    torch.testing.assert_close(targets.sum(dim=1), torch.ones(2))
    assert targets.argmax(dim=1).tolist() == [1, 0]


def test_mixed_rows_carry_the_targets_of_what_they_are_mixed_of():
    torch.manual_seed(0)
    targets = soft_targets(LABELS, CLASSES, 0.0)
    # The inputs say what they are, so that they must stay equal to the targets.
    inputs = targets[:, :, None, None].expand(-1, -1, 2, 2).contiguous()

    shares = set()
    for _ in range(10):
        mixed, mixed_targets = mixup(inputs, targets, 0.4)
        torch.testing.assert_close(mixed, mixed_targets[:, :, None, None].expand(-1, -1, 2, 2))
        torch.testing.assert_close(mixed_targets.sum(dim=1), torch.ones(6))
        shares.update(round(float(value), 4) for value in mixed_targets.max(dim=1).values)
    assert len(shares) > 5


def test_a_small_alpha_mixes_little_and_a_large_one_halves():
    targets = soft_targets(torch.arange(CLASSES), CLASSES, 0.0)

    def middle(alpha):
        torch.manual_seed(1)
        mixed = torch.cat([mixup(targets, targets, alpha)[1] for _ in range(100)])
        return float((mixed * (1 - mixed)).mean())

    assert middle(0.05) < middle(1.0) < middle(50.0)
