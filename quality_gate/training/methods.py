"""What cross-validation compares: the candidate's way to a model, as few photos are trained, and the baselines'."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quality_gate.errors import UserError
from quality_gate.evaluation.calibration import fit_temperature
from quality_gate.inference import average_views, softmax
from quality_gate.training.baselines import histogram_baseline, scratch_baseline
from quality_gate.training.features import FrozenBackbone, Row
from quality_gate.training.head import LinearHead, train_head
from quality_gate.training.pretrained import pretrained
from quality_gate.training.transfer import training_rows

if TYPE_CHECKING:
    from quality_gate.data.photo_set import PhotoSet, PhotoSets
    from quality_gate.home import Home
    from quality_gate.settings import BaselineSettings
    from quality_gate.transfer_settings import TransferSettings

# From the photos of all splits to the probabilities of the test photos, shape (photos, classes).
Method = Callable[["PhotoSets"], NDArray[np.float64]]


def methods(
    transfer: TransferSettings,
    baselines: BaselineSettings,
    *,
    learnt: int,
    classes: int,
    seed: int,
    home: Home,
    workers: int,
) -> dict[str, Method]:
    """The candidate's method and those of the baselines, by name.

    Args:
        transfer: of the candidate.
        baselines: of the baselines.
        learnt: photos that the candidate learns from.
        classes: how many there are.
        seed: of every random choice.
        home: where weights and features are kept.
        workers: threads.

    Raises:
        UserError: the candidate is fine-tuned, which cross-validation does not repeat; or the weights cannot be had.
    """
    if transfer.finetune_epochs and learnt >= transfer.finetune_min_photos:
        raise UserError(
            f"evaluation.cross_validation measures a head on frozen features, but {learnt:,} photos are fine-tuned; "
            "expected transfer.finetune_epochs: 0, or evaluation.cross_validation: null."
        )
    backbone = pretrained(transfer, classes, home, workers=workers).backbone
    return {
        "candidate": partial(frozen_head, backbone=backbone, settings=transfer, seed=seed),
        "histogram": partial(histogram_baseline, settings=baselines, workers=workers),
        "scratch": partial(scratch_baseline, settings=baselines, seed=seed, workers=workers, on_epoch=lambda _: None),
    }


def frozen_head(
    photos: PhotoSets, backbone: FrozenBackbone, settings: TransferSettings, seed: int
) -> NDArray[np.float64]:
    """Train a head on frozen features and fit its temperature, as the candidate of few photos is made.

    Returns:
        Probabilities of the test photos, float64, shape (photos, classes).
    """
    rows = training_rows(settings)
    seen = backbone.see(photos.train, rows, seed=seed, on_progress=_say_nothing)
    head = train_head(seen.features, photos.train.labels.repeat(len(rows)), photos.train.groups.repeat(len(rows)), seed)
    validation, test = (_logits(part, head, backbone, settings) for part in (photos.validation, photos.test))
    return softmax(test, fit_temperature(validation, photos.validation.labels))


def _logits(
    photos: PhotoSet, head: LinearHead, backbone: FrozenBackbone, settings: TransferSettings
) -> NDArray[np.float32]:
    """Logits as they are served, the views of a photo averaged, shape (photos, classes)."""
    views = [Row(view) for view in settings.views]
    features = backbone.see(photos, views, seed=0, on_progress=_say_nothing).features
    return average_views((features @ head.weight.T + head.bias).reshape(len(photos), len(views), -1))


def _say_nothing(done: int, total: int) -> None:
    """Folds are counted, and not the photos of each."""
