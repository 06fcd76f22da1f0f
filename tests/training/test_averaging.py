import pytest
import torch
from torch import nn

from quality_gate.training.averaging import averaged


def numbers(value):
    layer = nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, value)
    return layer


def follow(values, decay):
    network = numbers(0.0)
    average = averaged(network, decay)
    for value in values:
        torch.nn.init.constant_(network.weight, value)
        average.update_parameters(network)
    return average.module.weight.item()


def test_the_first_step_is_taken_over_whole():
    assert follow([3.0], 0.99) == 3.0


def test_early_steps_keep_less_than_the_decay():
    # The second step keeps (1 + 1) / (10 + 1) of the average.
    assert follow([1.0, 0.0], 0.99) == pytest.approx(2 / 11)
    assert follow([1.0, 0.0], 0.1) == pytest.approx(0.1)


def test_later_steps_keep_the_decay():
    long = [1.0] * 200
    assert follow([*long, 0.0], 0.9) == pytest.approx(0.9)


def test_buffers_are_those_of_the_network():
    network = nn.BatchNorm1d(2)
    average = averaged(network, 0.9)
    for _ in range(3):
        network(torch.randn(8, 2))
        average.update_parameters(network)

    assert torch.equal(average.module.running_mean, network.running_mean)
    assert average.module.num_batches_tracked == 3


def test_the_network_itself_is_left_alone():
    network = numbers(1.0)
    average = averaged(network, 0.5)
    average.update_parameters(network)
    torch.nn.init.constant_(average.module.weight, 7.0)

    assert network.weight.item() == 1.0
