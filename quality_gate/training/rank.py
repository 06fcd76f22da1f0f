"""One of the processes that train a network together, each on its share of every batch (`torch.distributed`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import nn

Value = TypeVar("Value")


@dataclass(frozen=True)
class Rank:
    """The place of this process among those that train.

    Every one holds the whole network and makes the same steps. The gradient of a step is that of the whole batch,
    whatever the number of processes, so that the batch size and the learning rate mean the same with one and with
    many.

    Attributes:
        number: of this process, from 0 on.
        count: of the processes; where it is 1, nothing below waits for another.
    """

    number: int = 0
    count: int = 1

    def share(self, rows: torch.Tensor) -> tuple[torch.Tensor, float]:
        """The rows of a batch that are this process's, and the weight of their mean in the mean over all processes.

        A batch with fewer rows than processes leaves some with none: these look at the first, at weight 0, because all
        have to take part in a step.
        """
        if self.count == 1:
            return rows, 1.0
        own = rows[self.number :: self.count]
        return (own, len(own) * self.count / len(rows)) if len(own) else (rows[:1], 0.0)

    def learner(self, network: nn.Module) -> nn.Module:
        """What the loss is computed with: the network, its gradients averaged over the processes as they come."""
        from torch.nn.parallel import DistributedDataParallel

        return network if self.count == 1 else DistributedDataParallel(network)

    def seed(self, seed: int, number: int) -> int | None:
        """The seed of a process's own randomness in a pass, so that no two drop or shift alike; None where it is one.

        Args:
            seed: of the training.
            number: of the pass.
        """
        return (
            None if self.count == 1 else int(np.random.SeedSequence([seed, number, self.number]).generate_state(1)[0])
        )

    def mean(self, value: float) -> float:
        """The mean of a number over the processes."""
        return float(np.mean(self._all(value)))

    def gathered(self, part: NDArray[np.float32]) -> NDArray[np.float32]:
        """The rows of all processes, one process after the other; the same everywhere."""
        return np.concatenate(self._all(part))

    def agreed(self, value: Value) -> Value:
        """The value of the first process, whatever the others have."""
        if self.count == 1:
            return value
        import torch.distributed as dist

        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def average_statistics(self, network: nn.Module) -> None:
        """Give all processes the mean of the running statistics that learn; each had those of its share of the rows."""
        if self.count == 1:
            return
        import torch.distributed as dist

        for module in network.modules():
            for buffer in module.buffers(recurse=False):
                if module.training and buffer.is_floating_point():
                    dist.all_reduce(buffer)
                    buffer /= self.count

    def _all(self, value: Any) -> list[Any]:
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values


ALONE = Rank()
