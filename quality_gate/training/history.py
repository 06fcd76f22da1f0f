"""The passes of a training, as a value that steps hand on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from quality_gate.step_value import StepValue


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows.

    Attributes:
        epoch: 1 for the first pass; 0 is the state before it.
        train_loss: mean cross-entropy of the pass; None for epoch 0.
        macro_f1: of the validation rows, in 0..1.
        log_loss: of the validation rows.
        learning_rate: of the pass.
        best: whether this state was the best so far.
    """

    epoch: int
    train_loss: float | None
    macro_f1: float
    log_loss: float
    learning_rate: float
    best: bool

    def figures(self) -> dict[str, float | None]:
        """The curves of the pass, by the names the experiment tracker shows."""
        return {
            "train_loss": self.train_loss,
            "validation_macro_f1": self.macro_f1,
            "validation_log_loss": self.log_loss,
            "learning_rate": self.learning_rate,
        }

    def __str__(self) -> str:
        loss = "" if self.train_loss is None else f"loss {self.train_loss:.4f}  "
        mark = "  best so far" if self.best else ""
        return (
            f"epoch {self.epoch:>2}  {loss}validation macro F1 {self.macro_f1:.4f}  lr {self.learning_rate:.1e}{mark}"
        )


@dataclass(frozen=True)
class TrainingHistory(StepValue):
    """All passes, that of the untrained state first.

    Attributes:
        epochs: in order.
    """

    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """The pass whose state was kept."""
        return next(epoch for epoch in reversed(self.epochs) if epoch.best)

    def to_json(self) -> dict[str, Any]:
        """The history as plain JSON values."""
        return {"epochs": [asdict(epoch) for epoch in self.epochs]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingHistory:
        """Rebuild a history from :meth:`to_json`."""
        return cls(tuple(Epoch(**epoch) for epoch in values["epochs"]))
