"""How a network is trained: one typed object for every option of the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from quality_gate.transfer_settings import TransferSettings

# Where the classes are made equally important: in what is drawn, in the loss, in both, or nowhere.
Balance = Literal["sampler", "loss", "both", "none"]
# When a closed stage is opened: all with the first pass, one more with every pass, or one more after a pass that
# brought no better validation macro F1.
Unfreezing = Literal["at_once", "each_epoch", "on_plateau"]
# How the learning rate falls: when the passes bring nothing better, or as planned from step to step.
Schedule = Literal["plateau", "one_cycle"]


@dataclass(frozen=True)
class Recipe:
    """How long, how fast and with which techniques to train.

    Attributes:
        epochs: most passes.
        rows_per_epoch: rows drawn in one pass.
        learning_rate: of AdamW: at its start, or, with ``one_cycle``, at its highest.
        weight_decay: of AdamW.
        batch_size: rows a step.
        patience: passes without a better validation macro F1 before training stops; the learning rate is halved
            after half as many.
        seed: of the sampling, of mixup and of dropout.
        balance: ``sampler`` draws every class equally often, with replacement; ``loss`` weighs each row by the inverse
            frequency of its class, at a mean weight of 1.
        label_smoothing: share of each target that is spread over all classes (Szegedy et al. 2016).
        focal_gamma: exponent of the focal loss (Lin et al. 2017), which turns from rows that are known already; 0 is
            plain cross-entropy.
        mixup: both parameters of the Beta distribution that rows are mixed by (Zhang et al. 2018); 0 mixes nothing.
        ema_decay: share of the averaged weights that each step keeps (Polyak and Juditsky 1992); the average is what is
            validated and kept. 0 keeps the weights themselves.
        unfreezing: when the stages are opened, the last one first (Howard and Ruder 2018).
        find_learning_rate: take the rate a range test finds (Smith 2017) instead of ``learning_rate``.
        schedule: ``plateau`` halves the rate and stops early as ``patience`` says; ``one_cycle`` makes all passes, in
            which the rate rises and falls once (Smith and Topin 2018).
    """

    epochs: int
    rows_per_epoch: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    patience: int
    seed: int
    balance: Balance = "sampler"
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    mixup: float = 0.0
    ema_decay: float = 0.0
    unfreezing: Unfreezing = "at_once"
    find_learning_rate: bool = False
    schedule: Schedule = "plateau"


def fine_tuning(settings: TransferSettings, *, stages: int, photos: int, seed: int) -> Recipe:
    """The recipe of the settings: in each pass as many rows as there are photos; no pass where they are too few.

    Args:
        settings: of the candidate.
        stages: of the backbone that are not frozen; without one there is nothing to fine-tune, and no pass.
        photos: photos to train on.
        seed: of every random choice.
    """
    pays = stages > 0 and photos >= settings.finetune_min_photos
    return Recipe(
        epochs=settings.finetune_epochs if pays else 0,
        rows_per_epoch=photos,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        batch_size=settings.batch_size,
        patience=settings.patience,
        seed=seed,
        balance=settings.class_balance,
        label_smoothing=settings.label_smoothing,
        focal_gamma=settings.focal_gamma,
        mixup=settings.mixup,
        ema_decay=settings.ema_decay,
        unfreezing=settings.unfreezing,
        find_learning_rate=settings.find_learning_rate,
        schedule=settings.schedule,
    )
