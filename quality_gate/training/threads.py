"""How many processors a run may use, and the settings that make it repeatable."""

from __future__ import annotations

import os


def available_processors() -> int:
    """Processors this process may run on, 1 or more."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
