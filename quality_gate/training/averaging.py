"""An exponential moving average of weights: what the last steps have in common, without the noise of the last batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel

    _Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of ``network`` whose parameters follow it slowly; its buffers are copied.

    The k-th step keeps min(decay, (1 + k) / (10 + k)) of the average, so that a training of few steps is not held
    back by the weights it began with.

    Args:
        network: what is averaged with each ``update_parameters``.
        decay: share of the average that a step keeps, in (0, 1).
    """
    import torch
    from torch.optim.swa_utils import AveragedModel

    def follow(averages: _Tensors, current: _Tensors, steps: torch.Tensor | int) -> None:
        kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
        with torch.no_grad():
            # All at once on a GPU, one after the other on the processor; torch's own averages call it too.
            torch._foreach_lerp_(averages, current, 1 - kept)

    return AveragedModel(network, multi_avg_fn=follow)
