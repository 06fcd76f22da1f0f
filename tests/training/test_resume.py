import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from quality_gate.training.resume import Checkpoint

STATE = {
    "network": {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor(1.5)},
    "optimiser": {"state": {0: {"step": torch.tensor(3.0)}, 1: {}}, "param_groups": [{"lr": 1e-4, "params": [0, 1]}]},
    "plateau": {"best": -math.inf, "mode": "max"},
    "average": None,
    "random": torch.arange(5, dtype=torch.uint8),
    "halves": torch.arange(4.0).half(),
    "nothing": [],
}


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def checkpoint(tmp_path, warnings):
    return Checkpoint(tmp_path / "runs" / "training.safetensors", "key", warnings.append)


def assert_same(first, second):
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for pair in zip(first, second, strict=True):
            assert_same(*pair)
    else:
        assert first == second


def test_a_state_comes_back_as_it_was(checkpoint, warnings):
    checkpoint.write(STATE)

    assert_same(checkpoint.read(), STATE)
    assert warnings == []
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["training.safetensors"]


def test_tensors_that_share_memory_or_lie_across_it_come_back(checkpoint):
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"whole": whole, "row": whole[1], "turned": whole.t(), "same": whole}
    checkpoint.write(state)

    assert_same(checkpoint.read(), state)


def test_where_there_is_no_file_there_is_no_state(checkpoint, warnings):
    assert checkpoint.read() is None
    assert warnings == []


def test_a_file_with_another_key_is_as_good_as_none(checkpoint, warnings):
    checkpoint.write(STATE)

    assert replace(checkpoint, key="another").read() is None
    assert warnings == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no checkpoint",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data.replace(b'-Infinity', b'-1000.000', 1),
    ],
    ids=["empty", "foreign", "cut", "a bit of a tensor", "a number"],
)  # fmt: skip
def test_a_damaged_file_is_told_and_ignored(damage, checkpoint, warnings):
    checkpoint.write(STATE)
    data = checkpoint.path.read_bytes()
    assert damage(data) != data
    checkpoint.path.write_bytes(damage(data))

    assert checkpoint.read() is None
    assert len(warnings) == 1
    assert "\n" not in warnings[0]
    assert warnings[0].startswith(f"{checkpoint.path} is damaged (")


def test_a_safetensors_file_of_something_else_is_ignored(checkpoint, warnings):
    checkpoint.path.parent.mkdir()
    save_file({"weight": torch.zeros(2)}, checkpoint.path)

    assert checkpoint.read() is None
    assert warnings == []


def test_a_write_that_fails_leaves_the_former_state_and_no_rest(checkpoint, warnings, monkeypatch):
    checkpoint.write(STATE)

    def full(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    checkpoint.write({**STATE, "random": torch.zeros(3)})

    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
    assert "training goes on" in warnings[0]
    assert_same(checkpoint.read(), STATE)
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["training.safetensors"]


def test_a_forgotten_training_leaves_nothing(checkpoint):
    checkpoint.write(STATE)
    checkpoint.remove()
    checkpoint.remove()

    assert checkpoint.read() is None


def test_other_programs_can_read_the_file(checkpoint):
    checkpoint.write(STATE)

    with safe_open(checkpoint.path, framework="pt") as file:
        assert json.loads(file.metadata()["values"])["pairs"][0][0] == "network"
    assert len(load_file(checkpoint.path)) == 5
