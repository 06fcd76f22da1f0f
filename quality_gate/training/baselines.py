"""The two models a deep one must beat: a colour histogram, and a small network that starts from nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quality_gate.data.batches import ordered_map
from quality_gate.inference import softmax
from quality_gate.preprocess import decode
from quality_gate.training.fit import fit, predict_logits
from quality_gate.training.mapped import tensor_in
from quality_gate.training.objective import Rows
from quality_gate.training.recipe import Recipe
from quality_gate.training.shift_and_mirror import mirror_half

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from quality_gate.data.photo_set import PhotoSet, PhotoSets
    from quality_gate.settings import BaselineSettings
    from quality_gate.training.history import Epoch

HISTOGRAM_SIZE = 128
CHANNELS = (16, 32, 64, 128)


def read_pixels(photos: Iterable[bytes], size: int, workers: int) -> Iterator[NDArray[np.uint8]]:
    """Decode photos one by one, squashed to small squares: uint8, shape (size, size, 3) each."""

    def read(photo: bytes) -> NDArray[np.uint8]:
        return np.asarray(decode(photo).resize((size, size), Image.Resampling.BICUBIC))

    return ordered_map(read, photos, workers=workers)


def colour_histograms(pixels: NDArray[np.uint8], bins: int) -> NDArray[np.float32]:
    """Share of pixels in each bin of each channel: float32, shape (photos, 3 × bins), of uint8 (photos, h, w, 3)."""
    binned = (pixels.astype(np.uint16) * bins) >> 8
    counts = [
        np.concatenate([np.bincount(photo[..., channel].ravel(), minlength=bins) for channel in range(3)])
        for photo in binned
    ]
    shares: NDArray[np.float32] = (np.stack(counts) / (pixels.shape[1] * pixels.shape[2])).astype(np.float32)
    return shares


def histogram_baseline(photos: PhotoSets, settings: BaselineSettings, *, workers: int) -> NDArray[np.float64]:
    """Logistic regression on standardised colour histograms.

    Returns:
        Probabilities of the test photos, float64, shape (photos, classes).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def features(part: PhotoSet) -> NDArray[np.float32]:
        pixels = read_pixels(part.read(), HISTOGRAM_SIZE, workers)
        return np.concatenate([colour_histograms(photo[None], settings.histogram_bins) for photo in pixels])

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
    model.fit(features(photos.train), photos.train.labels)
    # scikit-learn answers float32 with float32.
    probabilities: NDArray[np.float64] = model.predict_proba(features(photos.test)).astype(np.float64)
    return probabilities


def scratch_network(n_classes: int) -> nn.Module:
    """A small convolutional network with random weights: photos (N, 3, S, S) in −1..1 to logits (N, classes)."""
    from torch import nn

    layers: list[nn.Module] = []
    channels = 3
    for width in CHANNELS:
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels, n_classes)
    )


def scratch_baseline(
    photos: PhotoSets,
    settings: BaselineSettings,
    *,
    seed: int,
    workers: int,
    on_epoch: Callable[[Epoch], None],
    folder: Path | None = None,
) -> NDArray[np.float64]:
    """Train the small network from scratch on mirrored photos.

    Args:
        photos: of all splits.
        settings: size of the photos and most passes.
        seed: of every random choice.
        workers: threads that read photos.
        on_epoch: called after every pass.
        folder: where the decoded photos lie in files that are mapped into memory; None: in memory.

    Returns:
        Probabilities of the test photos, float64, shape (photos, classes).
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    network = scratch_network(len(photos.train.classes)).to(device)

    def inputs(part: PhotoSet) -> torch.Tensor:
        size = settings.scratch_size
        found = tensor_in(folder, (len(part), 3, size, size), torch.float32)
        for place, pixels in enumerate(read_pixels(part.read(), size, workers)):
            found[place] = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 127.5 - 1
        return found

    recipe = Recipe(
        epochs=settings.scratch_epochs,
        rows_per_epoch=len(photos.train),
        learning_rate=1e-3,
        weight_decay=1e-4,
        batch_size=32,
        patience=4,
        seed=seed,
    )
    fit(
        network,
        Rows(inputs(photos.train), photos.train.labels),
        Rows(inputs(photos.validation), photos.validation.labels),
        recipe,
        device,
        prepare=mirror_half,
        on_epoch=on_epoch,
    )
    return softmax(predict_logits(network, inputs(photos.test), device))
