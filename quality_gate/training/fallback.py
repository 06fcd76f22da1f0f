"""Another network where the first one is not good enough on the validation photos."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from quality_gate.models.weights import WeightsNotFetched

if TYPE_CHECKING:
    from quality_gate.training.candidate import Candidate
    from quality_gate.transfer_settings import TransferSettings


class Trainer(Protocol):
    """Trains a candidate, as :func:`~quality_gate.training.transfer.train_transfer` does on given photos."""

    def __call__(self, settings: TransferSettings, *, seed: int, key: str) -> Candidate:
        """Train with these settings and this seed; a training of the same key that was interrupted is continued."""


def train_with_fallback(
    train: Trainer, settings: TransferSettings, *, seed: int, key: str, say: Callable[[str], None]
) -> Candidate:
    """Train one network after the other until one reaches ``fallback_below``; if none does, the best one is kept.

    Only the validation photos have a say; the test photos are left for the gate.

    Args:
        train: trains one; it goes on to the next by itself where weights cannot be had.
        settings: of the first, and which come after it.
        seed: of every random choice.
        key: of the training; '' starts from the beginning.
        say: is told which network was taken, and why.

    Raises:
        UserError: none of the networks can be trained.
    """
    best = train(settings, seed=seed, key=key)
    floor = settings.fallback_below
    if floor is None:
        return best
    for name in _after(best.architecture, settings):
        reached = best.history.best.macro_f1
        if reached >= floor:
            break
        following = settings.model_copy(update={"model": name, "fallback": (), "weights_file": None})
        say(f"{best.architecture}: validation macro F1 {reached:.3f}, below {floor:g} (fallback_below); trying {name}")
        try:
            other = train(following, seed=seed, key=key and f"{key}-{name.replace(':', '_')}")
        except WeightsNotFetched as error:
            say(f"{name} is passed over: {error}")
            continue
        best = max(best, other, key=lambda candidate: candidate.history.best.macro_f1)
    say(f"{best.architecture} is taken, with a validation macro F1 of {best.history.best.macro_f1:.3f}")
    return best


def _after(taken: str, settings: TransferSettings) -> tuple[str, ...]:
    """The networks that come after the one that was taken."""
    names = (settings.model, *settings.fallback)
    return names[names.index(taken) + 1 :]
