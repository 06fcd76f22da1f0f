"""The threads of torch, and the settings that make a run repeatable."""

from __future__ import annotations

from quality_gate.processors import available_processors


def pin_threads(threads: int) -> None:
    """Fix the threads of torch, and choose its repeatable algorithms, or on a GPU its fastest.

    Training on a GPU is not repeatable to the bit in any case; there the algorithms are tried out for each shape.

    Sums of floats depend on how many threads share them: for the same model on machines with other processors, name
    the number.

    Args:
        threads: 0 takes every processor.
    """
    import torch

    torch.set_num_threads(threads or available_processors())
    on_gpu = torch.cuda.is_available()
    torch.use_deterministic_algorithms(not on_gpu, warn_only=True)
    torch.backends.cudnn.benchmark = on_gpu
