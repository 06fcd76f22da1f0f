import pytest
import torch

from quality_gate.processors import available_processors
from quality_gate.training.threads import pin_threads


@pytest.fixture(autouse=True)
def restore_torch():
    threads, repeatable = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(repeatable, warn_only=warn_only)


def test_the_threads_are_as_many_as_named_and_the_algorithms_repeatable():
    pin_threads(3)

    assert torch.get_num_threads() == 3
    assert torch.are_deterministic_algorithms_enabled()


def test_0_takes_every_processor():
    pin_threads(0)

    assert torch.get_num_threads() == available_processors()
