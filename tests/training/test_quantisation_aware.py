import copy

import numpy as np
import pytest
import torch

from quality_gate.models.zoo import TransferNetwork
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.training import quantisation_aware
from quality_gate.training.quantisation_aware import train_for_8_bits

SPEC = PreprocessingSpec(32, ("crop",), (0.5,) * 3, (0.25,) * 3)


class Silent:
    def progress(self, task):
        return lambda done, total: None

    def say(self, line):
        pass


@pytest.fixture
def photos(photos_in_memory, encode_png):
    random = np.random.default_rng(0)
    coarse = [random.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(40)]
    return photos_in_memory([encode_png(pixels) for pixels in coarse], [0, 1] * 20, ("a", "b"))


@pytest.fixture
def network():
    """One that loses much: in a channel of its last stage some weights are far larger than the others."""
    torch.manual_seed(1)
    frozen = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU())
    learnt = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 8, 1))
    made = TransferNetwork([frozen, learnt], 1, 8, 2).eval()
    with torch.no_grad():
        learnt[0].weight[:, 0] *= 30
        made.head.weight *= 20
    return made


@pytest.fixture
def train(network, photos):
    def trained(epochs=4, seed=0):
        pupil = copy.deepcopy(network)
        examples = [preprocess(photo, SPEC) for photo in photos.read()]
        # More rows than a batch has.
        split = photos.at(np.arange(36)), photos.at(np.arange(36, 40))
        found = train_for_8_bits(pupil, *split, examples, SPEC, epochs=epochs, seed=seed, reporter=Silent())
        return pupil, found

    return trained


def test_answers_come_nearer_to_those_in_32_bits(train, monkeypatch):
    monkeypatch.setattr(quantisation_aware, "PEAK_LEARNING_RATE", 1e-3)

    _, divergences = train(epochs=8)

    assert len(divergences) == 9
    assert 0 < min(divergences) < divergences[0] / 2


def test_only_the_last_stages_and_the_head_learn(train, network):
    pupil, _ = train()
    before, after = network.state_dict(), pupil.state_dict()

    assert set(before) == set(after)
    assert torch.equal(before["stages.0.0.weight"], after["stages.0.0.weight"])
    assert not torch.equal(before["stages.1.0.bias"], after["stages.1.0.bias"])
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_what_makes_it_worse_is_not_kept(train, network, monkeypatch):
    monkeypatch.setattr(quantisation_aware, "PEAK_LEARNING_RATE", 10.0)

    pupil, divergences = train(epochs=2)

    assert min(divergences) == divergences[0]
    assert torch.equal(pupil.head.weight, network.head.weight)


def test_the_same_seed_gives_the_same_weights(train):
    first, again, other = train(seed=1)[0], train(seed=1)[0], train(seed=2)[0]

    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
