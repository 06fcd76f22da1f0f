"""The curves of a training for TensorBoard, written while it runs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from quality_gate.training.history import Epoch, TrainingHistory


class TensorBoardCurves:
    """Writes the figures of every pass, among them the learning rate, into a folder that TensorBoard reads.

    Args:
        folder: made if it does not exist; None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._writer = None
        self._written: set[int] = set()
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, epoch: Epoch) -> None:
        """Write a pass, at once for those who look on; each only once."""
        if self._writer is None or epoch.epoch in self._written:
            return
        self._written.add(epoch.epoch)
        for name, value in epoch.figures().items():
            if value is not None:
                self._writer.add_scalar(name, value, epoch.epoch)
        self._writer.flush()

    def add_all(self, history: TrainingHistory) -> None:
        """Write the passes that are not there yet: those from before a training was interrupted."""
        for epoch in history.epochs:
            self.add(epoch)
