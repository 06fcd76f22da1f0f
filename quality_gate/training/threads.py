"""The threads of torch, and the settings that make a run repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from quality_gate.processors import available_processors


def pin_threads(threads: int) -> None:
    """Fix the threads of torch, and choose its repeatable algorithms.

    Sums of floats depend on how many threads share them: for the same model on machines with other processors, name
    the number.

    Args:
        threads: 0 takes every processor.
    """
    import torch

    torch.set_num_threads(threads or available_processors())
    torch.use_deterministic_algorithms(True, warn_only=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread an operation, for work that is spread over threads photo by photo."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
