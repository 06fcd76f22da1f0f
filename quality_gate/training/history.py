"""The passes of a training, as a value that steps hand on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from quality_gate.step_value import StepValue

# Why training ended: so many passes brought nothing better, or all passes were made.
StopReason = Literal["patience", "epochs"]


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
        open_stages: stages of the backbone that learnt in the pass; None where there are none, and for epoch 0.
        stop: why training ended with this pass; None for all but the last.
        brier: multi-class Brier score of the validation rows; None in histories written before it was kept.
    """

    epoch: int
    train_loss: float | None
    macro_f1: float
    log_loss: float
    learning_rate: float
    best: bool
    open_stages: int | None = None
    stop: StopReason | None = None
    brier: float | None = None

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

    @property
    def stop(self) -> StopReason | None:
        """Why training ended; None in histories written before the reason was kept."""
        return self.epochs[-1].stop

    @property
    def ending(self) -> str:
        """When and why training ended, in words; empty where there was no pass, or the reason was not kept."""
        last = self.epochs[-1].epoch
        if self.stop is None or last == 0:
            return ""
        if self.stop == "epochs":
            return f"ended after pass {last}, the last one allowed"
        fruitless = last - self.best.epoch
        return f"stopped after pass {last}: none better in {fruitless} {'pass' if fruitless == 1 else 'passes'}"

    def to_json(self) -> dict[str, Any]:
        """The history as plain JSON values."""
        return {"epochs": [asdict(epoch) for epoch in self.epochs]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingHistory:
        """Rebuild a history from :meth:`to_json`."""
        return cls(tuple(Epoch(**epoch) for epoch in values["epochs"]))
