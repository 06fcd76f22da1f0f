import torch
from torch import nn

from quality_gate.training.rate_finder import HIGHEST, LOWEST, STEPS, find_learning_rate


def valley(start):
    """A network whose loss is the distance of its weight from 0, and falls until the rate is about that distance."""
    network = nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, start)
    return network


def distance(network, _rows):
    return network.weight.abs().sum()


def batches(count=STEPS):
    return [torch.tensor([0])] * count


def test_a_farther_goal_gives_a_higher_rate():
    near, far = (find_learning_rate(valley(start), batches(), distance) for start in (0.01, 0.1))

    assert LOWEST / 10 <= near < far <= HIGHEST / 10


def test_the_network_and_the_random_numbers_stay_as_they_are():
    network = valley(0.1)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    find_learning_rate(network, batches(), lambda tried, _: distance(tried, _) + 0 * torch.rand(1).sum())

    assert torch.equal(torch.rand(1), expected)
    assert network.weight.item() == torch.tensor(0.1).item()
    assert network.weight.grad is None


def test_the_test_ends_when_the_loss_runs_away():
    seen = []

    def runs_away(network, _rows):
        seen.append(1)
        return distance(network, _rows) * 0 + 10.0 ** len(seen)

    assert find_learning_rate(valley(0.1), batches(), runs_away) == LOWEST / 10
    assert len(seen) < STEPS


def test_a_loss_that_is_no_number_ends_the_test():
    seen = []

    def broken(network, _rows):
        seen.append(1)
        return network.weight.sum() * (float("nan") if len(seen) > 3 else 1.0)

    assert find_learning_rate(valley(0.1), batches(), broken) <= HIGHEST / 10
    assert len(seen) == 4
